import { GraphBuilder, type Model } from '@emulsion/onnx';
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import type { Device, Session } from './device.ts';
import { SessionPool, type SessionPoolOptions } from './session-pool.ts';

/** A device that notes what is loaded on it. */
function fakeDevice() {
  const loaded = new Set<string>();
  const log: string[] = [];
  const gates = new Map<string, Promise<void>>();
  const device = {
    async createSession({ graph: { name } }: Model): Promise<Session> {
      loaded.add(name);
      log.push(`+${name}`);
      return {
        async run(feeds) {
          if (!loaded.has(name)) throw new Error(`${name} is not loaded`);
          await gates.get(name);
          return { y: Object.values(feeds)[0] as Tensor };
        },
        async dispose() {
          loaded.delete(name);
          log.push(`-${name}`);
        },
      };
    },
  } as Partial<Device> as Device; // what a pool asks of one
  return { device, loaded, log, gates };
}

/** A graph with so many bytes of weights, whose run takes a multiple of its input's. */
function model(name: string, input: string, weightBytes: number): Model {
  const g = new GraphBuilder(name);
  const weight = g.constant(tensor(new Float32Array(weightBytes / 4), [weightBytes / 4, 1]));
  g.output('y', g.op('Mul', [g.input(input, 'float32', [1, 'n']), weight]));
  return g.build();
}

async function pooled(limit: number, changes: Partial<SessionPoolOptions> = {}) {
  const fake = fakeDevice();
  const pool = new SessionPool(fake.device, {
    stages: 3,
    stageOf: ([input]) => ['token', 'x', 'latents'].indexOf(input!),
    limit: () => limit,
    ...changes,
  });
  const { device } = pool;
  const sessions = {
    text: await device.createSession(model('text', 'token', 400)),
    network: await device.createSession(model('network', 'x', 4000)),
    decoder: await device.createSession(model('decoder', 'latents', 800)),
  };
  const x = zeros([1, 1]);
  const feeds = { x, token: x, latents: x };
  const picture = async () => {
    for (const name of ['text', 'network', 'network', 'decoder'] as const) await sessions[name].run(feeds);
  };
  return { ...fake, pool, sessions, feeds, picture };
}

test('sessions are loaded when they first run, and stay where there is room', async () => {
  const { log, picture } = await pooled(1e6);
  expect(log).toEqual([]);
  await picture();
  await picture();
  expect(log).toEqual(['+text', '+network', '+decoder']);
});

test('without room each leaves when the next one runs, and all when the picture is done', async () => {
  const { pool, log, loaded, picture } = await pooled(0);
  await picture();
  expect(log).toEqual(['+text', '-text', '+network', '-network', '+decoder']);
  await pool.trim();
  expect(loaded).toEqual(new Set());
});

test('what is needed last leaves, and what fits stays', async () => {
  // The network takes 4 kB and computes with as many; beside it the text fits, the decoder does not.
  const { log, picture } = await pooled(11_000);
  await picture();
  expect(log).toEqual(['+text', '+network', '-network', '+decoder']);
  log.length = 0;
  await picture();
  expect(log).toEqual(['-decoder', '+network', '-network', '+decoder']);
});

test('sessions are loaded when they are created, as long as that is wanted', async () => {
  const { log } = await pooled(1e6, { loadsAtOnce: () => true });
  expect(log).toEqual(['+text', '+network', '+decoder']);
});

test('what fits together is loaded beforehand, in the order of the stages', async () => {
  const { pool, log } = await pooled(4400);
  await pool.loadWhatFits();
  expect(log).toEqual(['+text', '+network']);
  expect(pool.members.map(({ name, isLoaded }) => [name, isLoaded])).toEqual([
    ['text', true],
    ['network', true],
    ['decoder', false],
  ]);
});

test('a stage that is held stays, whatever else runs', async () => {
  const { pool, log, sessions, feeds } = await pooled(0);
  await pool.hold(1, async () => {
    await sessions.network.run(feeds);
    await sessions.decoder.run(feeds);
    await sessions.network.run(feeds);
  });
  expect(log).toEqual(['+network', '+decoder', '-decoder']);
  await sessions.decoder.run(feeds);
  expect(log.slice(3)).toEqual(['-network', '+decoder']);
});

test('what is running is not unloaded', async () => {
  const { gates, log, sessions, feeds } = await pooled(0);
  let open = () => {};
  gates.set('network', new Promise((resolve) => (open = resolve)));
  const running = sessions.network.run(feeds);
  await sessions.decoder.run(feeds);
  expect(log).toEqual(['+network', '+decoder']);
  open();
  await running;
});

test('loading is told of, and a run that was aborted loads nothing', async () => {
  const told: [string, boolean][] = [];
  const { log, sessions, feeds } = await pooled(1e6, { onLoad: (...event) => told.push(event) });
  const reason = new Error('enough');
  await expect(sessions.network.run(feeds, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(log).toEqual([]);
  await sessions.text.run(feeds);
  expect(told).toEqual([
    ['text', false],
    ['text', true],
  ]);
});

test('a disposed session is not loaded again', async () => {
  const { log, sessions, feeds } = await pooled(1e6);
  await sessions.text.run(feeds);
  await sessions.text.dispose();
  await expect(sessions.text.run(feeds)).rejects.toThrow('text was disposed. Load it again to run it.');
  expect(log).toEqual(['+text', '-text']);
});

test('a session whose loading was given up, or failed, leaves when it is there', async () => {
  const { device, loaded, log } = fakeDevice();
  const { createSession } = device;
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  device.createSession = async (...args) => {
    await gate;
    return createSession(...args);
  };
  const options = { stages: 1, stageOf: () => 0, limit: () => 1e6, loadsAtOnce: () => true };
  const pool = new SessionPool(device, options);
  const controller = new AbortController();
  const adding = pool.device.createSession(model('text', 'token', 400), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(adding).rejects.toThrow('enough');
  open();
  await pool.trim(); // what was begun before is done
  expect([log, [...loaded], pool.members]).toEqual([['+text', '-text'], [], []]);
  device.createSession = () => Promise.reject(new Error('no'));
  await expect(pool.device.createSession(model('text', 'token', 400))).rejects.toThrow('no');
  await pool.trim();
  expect(pool.members).toEqual([]);
});

test('a disposed session has left, and a load that failed is tried anew', async () => {
  const { pool, device, loaded, sessions, feeds } = await pooled(1e6);
  await sessions.text.run(feeds);
  await sessions.text.dispose();
  expect(loaded).toEqual(new Set());
  expect(pool.members).toHaveLength(2);
  const { createSession } = device;
  device.createSession = () => Promise.reject(new Error('no'));
  await expect(sessions.network.run(feeds)).rejects.toThrow('no');
  device.createSession = createSession;
  expect((await sessions.network.run(feeds)).y).toBe(feeds.x);
});
