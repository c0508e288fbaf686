// The inference process: loads and runs graphs with onnxruntime-node, as asked through the channel to its parent.
// A run blocks its process and cannot be stopped, and a crash of a driver takes the process with it: hence its own.
import { widen } from '@emulsion/tensor';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Reply, Request, WireFeed, WireHalfTensor, WireModel, WireTensor } from './protocol.ts';

const sessions = new Map<number, InferenceSession>();
const held = new Map<number, Tensor>();

async function create({
  bytes,
  root,
  externalData,
  executionProvider,
}: WireModel): Promise<InferenceSession> {
  return InferenceSession.create(bytes, {
    executionProviders: [executionProvider],
    externalData: [...externalData],
    logSeverityLevel: 3,
    // A plan of a run's memory takes a block of its own beside what the first run took: twice as much, and no faster.
    enableMemPattern: false,
    extra: { session: { model_external_initializers_file_folder_path: root } },
  });
}

const wire = ({ type, dims, data }: Tensor): WireTensor => {
  if (type !== 'float32' && type !== 'int32')
    throw new Error(`an output is ${type}, float32 or int32 was expected`);
  return { dtype: type, dims, data: data as Float32Array | Int32Array }; // the type says so
};

function tensorOf(sent: WireTensor | WireHalfTensor): Tensor {
  if ('halves' in sent) return new Tensor('float32', widen(sent.halves, sent.format), sent.dims);
  return new Tensor(sent.dtype, sent.data as Float32Array, sent.dims); // the constructor checks the array against the type
}

function feed(value: WireFeed): Tensor {
  if (!('held' in value)) return tensorOf(value);
  const found = held.get(value.held);
  if (!found) throw new Error('an input is fed a tensor that was released');
  return found;
}

async function answer(request: Request): Promise<Record<string, WireTensor>> {
  if (request.type === 'create') {
    sessions.set(request.session, await create(request.model));
    return {};
  }
  if (request.type === 'hold') {
    held.set(request.held, tensorOf(request.tensor));
    return {};
  }
  if (request.type === 'drop') {
    held.delete(request.held);
    return {};
  }
  const session = sessions.get(request.session);
  if (!session) throw new Error('the session is not loaded');
  if (request.type === 'release') {
    sessions.delete(request.session);
    await session.release();
    return {};
  }
  const feeds = Object.fromEntries(Object.entries(request.feeds).map(([name, value]) => [name, feed(value)]));
  const outputs = await session.run(feeds);
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, wire(value)]));
}

let queue = Promise.resolve();

process.on('message', ({ id, request }: { id: number; request: Request }) => {
  queue = queue.then(async () => {
    const reply: Reply = await answer(request).then(
      (outputs) => ({ id, ok: true, outputs }),
      (error: unknown) => ({
        id,
        ok: false,
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    process.send?.(reply);
  });
});

// Ctrl-C reaches every process of the terminal; the parent decides what it means.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
