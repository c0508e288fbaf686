// Devices in the browser: chosen by trying them.
import { GraphBuilder } from '@emulsion/onnx';
import {
  type AttentionSelfTest,
  type Device,
  type DeviceKind,
  DeviceUnavailableError,
  RunError,
  testAttention,
} from '@emulsion/runtime';
import { InvalidArgumentError, tensor } from '@emulsion/tensor';
import { nameOf, openGraphicsCard } from './graphics-card.ts';
import { messageOf } from './message-of.ts';
import { Onnxruntime, type OnnxruntimeOptions } from './onnxruntime.ts';
import { remember } from './remember.ts';
import { WebDevice } from './web-device.ts';

/** Size of the square matrices whose product tells whether a device works. */
const probeSize = 64;

/** @throws if a product of matrices cannot be computed, or is wrong */
async function probe(device: Device): Promise<void> {
  const g = new GraphBuilder('probe');
  const dims = [probeSize, probeSize];
  g.output('product', g.op('MatMul', [g.input('a', 'float32', dims), g.input('b', 'float32', dims)]));
  const ones = tensor(new Float32Array(probeSize ** 2).fill(1), dims);
  const session = await device.createSession(g.build());
  const { product } = await session.run({ a: ones, b: ones });
  await session.dispose();
  if (product?.data.some((value) => value !== probeSize)) {
    throw new RunError('It gave a wrong product of matrices. Update the browser and the driver.');
  }
}

const isSelfTest = (value: unknown): value is AttentionSelfTest =>
  typeof value === 'object' && value !== null && 'attention' in value && 'note' in value;

/** What an answer about a graphics card holds for: the card, the browser and onnxruntime. */
const selfTestKey = ({ vendor, architecture, device, description }: GPUAdapterInfo, version: string) =>
  ['attention', version, vendor, architecture, device, description, navigator.userAgent].join('|');

async function openWebGpu(options: OnnxruntimeOptions, card: GPUDevice): Promise<WebDevice> {
  const name = nameOf(card.adapterInfo);
  return open('webgpu', options, card, async (device, { version }) => {
    const key = selfTestKey(card.adapterInfo, version);
    const { attention, note } = await remember(key, isSelfTest, () => testAttention(device));
    device.dialect = { ...device.dialect, attention };
    device.notes.push(`WebGPU on the graphics card "${name}".`, note);
  });
}

async function openWasm(options: OnnxruntimeOptions): Promise<WebDevice> {
  return open('wasm', options, undefined, async (device, { threads }) => {
    device.notes.push(`WebAssembly with ${threads} ${threads === 1 ? 'thread' : 'threads'}.`);
    if (!globalThis.crossOriginIsolated) {
      device.notes.push(
        'More threads need a page that is served with the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp".',
      );
    }
  });
}

/** Opens a device and tries it; `prepare` is done with it if it works. */
async function open(
  kind: 'webgpu' | 'wasm',
  options: OnnxruntimeOptions,
  card: GPUDevice | undefined,
  prepare: (device: WebDevice, onnxruntime: Onnxruntime) => Promise<void>,
): Promise<WebDevice> {
  let device: WebDevice | undefined;
  try {
    const onnxruntime = await Onnxruntime.for(kind, options);
    // Pages without WebGPU do without its kernels.
    const webgpu = card && (await import('./webgpu/gpu-workspace.ts'));
    device = new WebDevice(onnxruntime, card, webgpu?.workspaceOpener);
    await probe(device);
    await prepare(device, onnxruntime);
    return device;
  } catch (cause) {
    await device?.dispose();
    card?.destroy();
    throw new DeviceUnavailableError(kind, `The device "${kind}" is not available. ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** WebGPU if it works and is no software, else WebAssembly. */
async function openBest(options: OnnxruntimeOptions): Promise<WebDevice> {
  let note: string;
  try {
    const card = await openGraphicsCard();
    if (!card.adapterInfo.isFallbackAdapter) return await openWebGpu(options, card);
    note = `WebGPU is passed over: "${nameOf(card.adapterInfo)}" is software, and slower than WebAssembly.`;
    card.destroy();
  } catch (error) {
    if (!DeviceUnavailableError.is(error)) throw error;
    note = error.message;
  }
  const device = await openWasm(options);
  device.notes.unshift(note);
  return device;
}

/**
 * A device of this browser, in the page or worker that asks for it. Runs on the processor block that page or worker.
 * @param kind `auto` is WebGPU if it works and is no software, else WebAssembly; the device's `notes` say what was
 * passed over and why
 * @param options for the first device of a page, which brings onnxruntime with it
 * @throws {DeviceUnavailableError} if it is not there, with what it needs
 */
export async function createDevice(
  kind: DeviceKind | 'auto' = 'auto',
  options: OnnxruntimeOptions = {},
): Promise<WebDevice> {
  switch (kind) {
    case 'auto':
      return openBest(options);
    case 'webgpu':
      return openWebGpu(options, await openGraphicsCard());
    case 'wasm':
      return openWasm(options);
    default:
      throw new InvalidArgumentError(
        `device: "${kind}" is none of a browser's. Take one of auto, webgpu, wasm.`,
      );
  }
}
