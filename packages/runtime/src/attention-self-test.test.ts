import { type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { testAttention } from './attention-self-test.ts';
import type { Device, Session } from './device.ts';
import { DeviceLostError } from './errors.ts';

/** A device that answers each output with the same number, but for those that are given. */
function answering(
  answers: Readonly<Record<string, number>>,
): Pick<Device, 'createSession'> & { left: number } {
  const device = {
    left: 0,
    createSession: async ({ graph }: Parameters<Device['createSession']>[0]): Promise<Session> => {
      device.left++;
      return {
        run: async () =>
          Object.fromEntries(
            graph.outputs.map(({ name }): [string, Tensor] => [
              name,
              tensor([0.5, answers[name] ?? 0.5], [2]),
            ]),
          ),
        dispose: async () => void device.left--,
      };
    },
  };
  return device;
}

test('a device whose forms agree takes the fused one, and nothing is left of the test', async () => {
  const device = answering({ self_fused: 0.50001 });
  expect(await testAttention(device)).toEqual({
    attention: 'fused',
    note: 'Fused attention is right to 1e-5.',
  });
  expect(device.left).toBe(0);
});

test.each(['self_fused', 'cross_fused'])(
  'a device that is wrong in %s takes the decomposed form',
  async (name) => {
    expect(await testAttention(answering({ [name]: 0.7 }))).toEqual({
      attention: 'decomposed',
      note: "Attention is decomposed: the driver's fused kernel was off by 0.2.",
    });
  },
);

test('what is no number is wrong', async () => {
  const { attention } = await testAttention(answering({ cross_fused: Number.NaN }));
  expect(attention).toBe('decomposed');
});

test('a device that fails takes the decomposed form and says why', async () => {
  const createSession = () => Promise.reject(new Error('no such kernel'));
  expect(await testAttention({ createSession })).toEqual({
    attention: 'decomposed',
    note: 'Attention is decomposed: the fused kernel failed (no such kernel).',
  });
});

test('a device that goes away has shown nothing', async () => {
  const lost = new DeviceLostError('gone');
  await expect(testAttention({ createSession: () => Promise.reject(lost) })).rejects.toBe(lost);
});
