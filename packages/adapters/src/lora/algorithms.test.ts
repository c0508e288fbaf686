// Every form against its definition, in float64 and by its indices.
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { describe, expect, test } from 'vitest';
import { mergeWeight } from '../merge-change.ts';
import type { ModuleChange } from '../module-change.ts';
import { at, loadTensors, randomTensors, sum } from '../testing/adapter-file.ts';

const out = 6;
const inputs = 4;
const rank = 2;
const model = {
  unet: new Map<string, readonly number[]>([
    ['conv', [out, inputs, 3, 3]],
    ['linear', [out, inputs]],
    ['norm', [out]],
  ]),
};
const linearBase = randomTensors(1)(out, inputs);
const convBase = randomTensors(2)(out, inputs, 3, 3);

/** The change of one module, named `lora_unet_<module>` as kohya does. */
async function changeOf(module: string, parts: Readonly<Record<string, Tensor>>): Promise<ModuleChange> {
  const named = Object.entries(parts).map(([part, values]) => [`lora_unet_${module}.${part}`, values]);
  const { changes, report } = await loadTensors(model, Object.fromEntries(named));
  expect(report.unused).toEqual([]);
  expect(report.unmatched).toEqual([]);
  const [change, ...others] = changes;
  expect(others).toEqual([]);
  expect(change).toMatchObject({ component: 'unet', module });
  return change!;
}

/** That a change adds to a linear weight what `delta(o, i)` says, times the strength. */
async function expectLinear(
  parts: Readonly<Record<string, Tensor>>,
  delta: (o: number, i: number) => number,
) {
  const { weight } = await changeOf('linear', parts);
  for (const strength of [1, -0.5]) {
    const merged = mergeWeight(linearBase, [[weight!, strength]]);
    expect(merged.dims).toEqual([out, inputs]);
    for (let o = 0; o < out; o++)
      for (let i = 0; i < inputs; i++)
        expect(at(merged, o, i)).toBeCloseTo(at(linearBase, o, i) + strength * delta(o, i), 5);
  }
  return weight!;
}

/** That a change adds to a convolution's weight what `delta(o, i, y, x)` says, times the strength. */
async function expectConv(
  parts: Readonly<Record<string, Tensor>>,
  delta: (o: number, i: number, y: number, x: number) => number,
) {
  const { weight } = await changeOf('conv', parts);
  for (const strength of [1, 0.7]) {
    const merged = mergeWeight(convBase, [[weight!, strength]]);
    expect(merged.dims).toEqual([out, inputs, 3, 3]);
    for (let o = 0; o < out; o++)
      for (let i = 0; i < inputs; i++)
        for (let y = 0; y < 3; y++)
          for (let x = 0; x < 3; x++) {
            const wanted = at(convBase, o, i, y, x) + strength * delta(o, i, y, x);
            expect(at(merged, o, i, y, x)).toBeCloseTo(wanted, 4);
          }
  }
  return weight!;
}

const scalar = (value: number) => tensor([value], []);

describe('LoRA', () => {
  const random = randomTensors(10);
  const up = random(out, rank);
  const down = random(rank, inputs);

  test('adds alpha / rank · up · down', async () => {
    const weight = await expectLinear(
      { 'lora_up.weight': up, 'lora_down.weight': down, alpha: scalar(3) },
      (o, i) => 1.5 * sum(rank, (r) => at(up, o, r) * at(down, r, i)),
    );
    expect(weight.form).toBe('low-rank');
  });

  test('is not scaled without an alpha, and by scale where there is one', async () => {
    const delta = (o: number, i: number) => sum(rank, (r) => at(up, o, r) * at(down, r, i));
    await expectLinear({ 'lora_up.weight': up, 'lora_down.weight': down }, delta);
    const parts = { 'lora_up.weight': up, 'lora_down.weight': down, alpha: scalar(3), scale: scalar(0.25) };
    await expectLinear(parts, (o, i) => 0.25 * delta(o, i));
  });

  test('of a convolution has the kernel in down', async () => {
    const wide = random(rank, inputs, 3, 3);
    const tall = random(out, rank, 1, 1);
    const weight = await expectConv(
      { 'lora_up.weight': tall, 'lora_down.weight': wide, alpha: scalar(1) },
      (o, i, y, x) => 0.5 * sum(rank, (r) => at(tall, o, r, 0, 0) * at(wide, r, i, y, x)),
    );
    if (weight.form !== 'low-rank') throw new Error('a LoRA is a product');
    expect(weight.down.dims).toEqual([rank, inputs, 3, 3]);
    expect(weight.up.dims).toEqual([out, rank, 1, 1]);
  });

  test('of a linear module may be written as a convolution of 1×1', async () => {
    const wide = tensor(down.data, [rank, inputs, 1, 1]);
    const tall = tensor(up.data, [out, rank, 1, 1]);
    const { weight } = await changeOf('linear', { 'lora_up.weight': tall, 'lora_down.weight': wide });
    if (weight?.form !== 'low-rank') throw new Error('a LoRA is a product');
    expect(weight.down.dims).toEqual([rank, inputs]);
    expect(weight.up.dims).toEqual([out, rank]);
  });

  test('with a core in the middle (LoCon) is a product all the same', async () => {
    const core = random(rank, 3, 3, 3);
    const inner = random(3, inputs, 1, 1);
    const tall = random(out, rank, 1, 1);
    const weight = await expectConv(
      { 'lora_up.weight': tall, 'lora_mid.weight': core, 'lora_down.weight': inner, alpha: scalar(2) },
      (o, i, y, x) =>
        sum(rank, (m) => sum(3, (n) => at(tall, o, m, 0, 0) * at(core, m, n, y, x) * at(inner, n, i, 0, 0))),
    );
    expect(weight.form).toBe('low-rank');
  });
});

describe('LoHa', () => {
  const random = randomTensors(20);

  test('multiplies two products element by element', async () => {
    const [a1, b1, a2, b2] = [
      random(out, rank),
      random(rank, inputs),
      random(out, rank),
      random(rank, inputs),
    ];
    const parts = { hada_w1_a: a1, hada_w1_b: b1, hada_w2_a: a2, hada_w2_b: b2, alpha: scalar(1) };
    const weight = await expectLinear(
      parts,
      (o, i) =>
        0.5 * sum(rank, (r) => at(a1, o, r) * at(b1, r, i)) * sum(rank, (r) => at(a2, o, r) * at(b2, r, i)),
    );
    expect(weight).toMatchObject({ form: 'full', needsBase: false });
  });

  test('of a convolution has the kernel in its second factors', async () => {
    const [a1, a2] = [random(out, rank), random(out, rank)];
    const [b1, b2] = [random(rank, inputs * 9), random(rank, inputs * 9)];
    const parts = { hada_w1_a: a1, hada_w1_b: b1, hada_w2_a: a2, hada_w2_b: b2 };
    const weight = await expectConv(parts, (o, i, y, x) => {
      const column = i * 9 + y * 3 + x;
      const first = sum(rank, (r) => at(a1, o, r) * at(b1, r, column));
      return first * sum(rank, (r) => at(a2, o, r) * at(b2, r, column));
    });
    // Its products of four ranks are smaller than the weight.
    expect(weight).toMatchObject({ form: 'low-rank', down: { dims: [4, inputs, 3, 3] } });
  });

  test('of a large weight is one product, with ranks that may differ', async () => {
    const [rows, columns] = [40, 30];
    const [a1, b1, a2, b2] = [random(rows, 2), random(2, columns), random(rows, 3), random(3, columns)];
    const parts = { hada_w1_a: a1, hada_w1_b: b1, hada_w2_a: a2, hada_w2_b: b2, alpha: scalar(1) };
    const named = Object.entries(parts).map(([part, values]) => [`lora_unet_m.${part}`, values]);
    const { changes, report } = await loadTensors(
      { unet: new Map([['m', [rows, columns]]]) },
      Object.fromEntries(named),
    );
    expect(report.ranks).toEqual([2]);
    const { weight } = changes[0]!;
    expect(weight).toMatchObject({ form: 'low-rank', down: { dims: [6, columns] }, up: { dims: [rows, 6] } });
    const merged = mergeWeight(zeros([rows, columns], 'float32'), [[weight!, 1]]);
    for (let o = 0; o < rows; o++)
      for (let i = 0; i < columns; i++) {
        const first = sum(2, (r) => at(a1, o, r) * at(b1, r, i));
        const second = sum(3, (r) => at(a2, o, r) * at(b2, r, i));
        expect(at(merged, o, i)).toBeCloseTo(0.5 * first * second, 5);
      }
  });

  test('takes its cores between its factors (Tucker)', async () => {
    const [t1, t2] = [random(rank, rank, 3, 3), random(rank, rank, 3, 3)];
    const [a1, a2] = [random(rank, out), random(rank, out)];
    const [b1, b2] = [random(rank, inputs), random(rank, inputs)];
    const parts = { hada_t1: t1, hada_w1_a: a1, hada_w1_b: b1, hada_t2: t2, hada_w2_a: a2, hada_w2_b: b2 };
    const rebuilt = (t: Tensor, a: Tensor, b: Tensor, o: number, i: number, y: number, x: number) =>
      sum(rank, (p) => sum(rank, (q) => at(t, p, q, y, x) * at(a, p, o) * at(b, q, i)));
    await expectConv(
      { ...parts, alpha: scalar(3) },
      (o, i, y, x) => 1.5 * rebuilt(t1, a1, b1, o, i, y, x) * rebuilt(t2, a2, b2, o, i, y, x),
    );
  });
});

describe('LoKr', () => {
  const random = randomTensors(30);
  // [6, 4] is [2, 2] ⊗ [3, 2].
  const kron = (w1: Tensor, w2: (o: number, i: number) => number) => (o: number, i: number) =>
    at(w1, Math.floor(o / 3), Math.floor(i / 2)) * w2(o % 3, i % 2);

  test('is a Kronecker product, not scaled if both factors are whole', async () => {
    const [w1, w2] = [random(2, 2), random(3, 2)];
    const weight = await expectLinear(
      { lokr_w1: w1, lokr_w2: w2, alpha: scalar(7) },
      kron(w1, (o, i) => at(w2, o, i)),
    );
    expect(weight).toMatchObject({ form: 'full', needsBase: false });
  });

  test('has factors that are products', async () => {
    const [w1, a, b] = [random(2, 2), random(3, rank), random(rank, 2)];
    await expectLinear({ lokr_w1: w1, lokr_w2_a: a, lokr_w2_b: b, alpha: scalar(1) }, (o, i) =>
      kron(w1, (p, q) => 0.5 * sum(rank, (r) => at(a, p, r) * at(b, r, q)))(o, i),
    );
    const [w1a, w1b, w2] = [random(2, rank), random(rank, 2), random(3, 2)];
    await expectLinear({ lokr_w1_a: w1a, lokr_w1_b: w1b, lokr_w2: w2, alpha: scalar(1) }, (o, i) => {
      const first = sum(rank, (r) => at(w1a, Math.floor(o / 3), r) * at(w1b, r, Math.floor(i / 2)));
      return 0.5 * first * at(w2, o % 3, i % 2);
    });
  });

  test('of a large weight is one product if its factors are of low rank', async () => {
    // [40, 30] is [4, 3] ⊗ [10, 10].
    const [rows, columns] = [40, 30];
    const [w1, a, b] = [random(4, 3), random(10, 2), random(2, 10)];
    const [w1a, w1b] = [random(4, 1), random(1, 3)];
    const second = (o: number, i: number) => sum(2, (r) => at(a, o % 10, r) * at(b, r, i % 10));
    const outer = (o: number, i: number): [number, number] => [Math.floor(o / 10), Math.floor(i / 10)];
    for (const [parts, ranks, first] of [
      [{ lokr_w1: w1 }, 6, (o: number, i: number) => at(w1, ...outer(o, i))],
      [
        { lokr_w1_a: w1a, lokr_w1_b: w1b },
        2,
        (o: number, i: number) => at(w1a, outer(o, i)[0], 0) * at(w1b, 0, outer(o, i)[1]),
      ],
    ] as const) {
      const all = { ...parts, lokr_w2_a: a, lokr_w2_b: b, alpha: scalar(1) };
      const named = Object.entries(all).map(([part, values]) => [`lora_unet_m.${part}`, values]);
      const model = { unet: new Map([['m', [rows, columns]]]) };
      const { changes } = await loadTensors(model, Object.fromEntries(named));
      const { weight } = changes[0]!;
      expect(weight).toMatchObject({ form: 'low-rank', down: { dims: [ranks, columns] } });
      const merged = mergeWeight(zeros([rows, columns], 'float32'), [[weight!, 1]]);
      for (let o = 0; o < rows; o++)
        for (let i = 0; i < columns; i++)
          expect(at(merged, o, i)).toBeCloseTo(0.5 * first(o, i) * second(o, i), 5);
    }
  });

  test('of a convolution has the kernel in its second factor, whole, as a product or with a core', async () => {
    const w1 = random(2, 2);
    const outer = (o: number, i: number) => at(w1, Math.floor(o / 3), Math.floor(i / 2));
    const whole = random(3, 2, 3, 3);
    await expectConv(
      { lokr_w1: w1, lokr_w2: whole },
      (o, i, y, x) => outer(o, i) * at(whole, o % 3, i % 2, y, x),
    );
    const [a, b] = [random(3, rank), random(rank, 2 * 9)];
    await expectConv(
      { lokr_w1: w1, lokr_w2_a: a, lokr_w2_b: b, alpha: scalar(rank) },
      (o, i, y, x) => outer(o, i) * sum(rank, (r) => at(a, o % 3, r) * at(b, r, (i % 2) * 9 + y * 3 + x)),
    );
    const [core, p, q] = [random(rank, rank, 3, 3), random(rank, 3), random(rank, 2)];
    await expectConv(
      { lokr_w1: w1, lokr_t2: core, lokr_w2_a: p, lokr_w2_b: q, alpha: scalar(1) },
      (o, i, y, x) =>
        0.5 *
        outer(o, i) *
        sum(rank, (j) => sum(rank, (k) => at(core, j, k, y, x) * at(p, j, o % 3) * at(q, k, i % 2))),
    );
  });
});

describe('GLoRA', () => {
  const random = randomTensors(40);
  const [a1, a2, b1, b2] = [
    random(inputs, rank),
    random(rank, inputs),
    random(out, rank),
    random(rank, inputs),
  ];
  const delta = (o: number, i: number) => {
    const multiplied = sum(inputs, (j) =>
      sum(rank, (r) => at(linearBase, o, j) * at(a1, j, r) * at(a2, r, i)),
    );
    return 1.5 * (multiplied + sum(rank, (r) => at(b1, o, r) * at(b2, r, i)));
  };

  test('adds a product, and the weight times a product', async () => {
    const parts = { 'a1.weight': a1, 'a2.weight': a2, 'b1.weight': b1, 'b2.weight': b2, alpha: scalar(3) };
    const weight = await expectLinear(parts, delta);
    expect(weight).toMatchObject({ form: 'full', needsBase: true });
  });

  test('of old files has its factors the other way round', async () => {
    const parts = { 'a1.weight': a2, 'a2.weight': a1, 'b1.weight': b2, 'b2.weight': b1, alpha: scalar(3) };
    await expectLinear(parts, delta);
  });

  test('of a convolution mixes input channels alone', async () => {
    const kernel = random(rank, inputs, 3, 3);
    const ones = [1, 1] as const;
    const parts = {
      'a1.weight': tensor(a1.data, [inputs, rank, ...ones]),
      'a2.weight': tensor(a2.data, [rank, inputs, ...ones]),
      'b1.weight': tensor(b1.data, [out, rank, ...ones]),
      'b2.weight': kernel,
    };
    await expectConv(
      parts,
      (o, i, y, x) =>
        sum(inputs, (j) => sum(rank, (r) => at(convBase, o, j, y, x) * at(a1, j, r) * at(a2, r, i))) +
        sum(rank, (r) => at(b1, o, r) * at(kernel, r, i, y, x)),
    );
  });
});

describe('(IA)³', () => {
  const random = randomTensors(50);
  const byOutput = random(out);
  const byInput = random(inputs);

  test('of LyCORIS adds a share of each output or input', async () => {
    const weight = await expectLinear(
      { weight: byOutput, on_input: scalar(0) },
      (o, i) => at(linearBase, o, i) * at(byOutput, o),
    );
    expect(weight).toMatchObject({ form: 'full', needsBase: true });
    await expectLinear(
      { weight: byInput, on_input: scalar(1) },
      (o, i) => at(linearBase, o, i) * at(byInput, i),
    );
    await expectConv(
      { weight: tensor(byInput.data, [1, inputs, 1, 1]), on_input: scalar(1) },
      (o, i, y, x) => at(convBase, o, i, y, x) * at(byInput, i),
    );
    await expectConv(
      { weight: tensor(byOutput.data, [1, out, 1, 1]), on_input: scalar(0) },
      (o, i, y, x) => at(convBase, o, i, y, x) * at(byOutput, o),
    );
  });

  test('of PEFT multiplies by its factors', async () => {
    await expectLinear(
      { ia3_l: tensor(byOutput.data, [out, 1]) },
      (o, i) => at(linearBase, o, i) * (at(byOutput, o) - 1),
    );
    await expectLinear(
      { ia3_l: tensor(byInput.data, [1, inputs]) },
      (o, i) => at(linearBase, o, i) * (at(byInput, i) - 1),
    );
  });
});

describe('OFT', () => {
  const size = 3;
  const random = randomTensors(60);
  const small = (...dims: number[]) => {
    const values = random(...dims);
    return tensor(
      values.data.map((value) => value / 20),
      dims,
    );
  };

  /** (I + Q)(I − Q)⁻¹ as I + 2 (Q + Q² + …), with Q = block − its transpose, times `shrink`. */
  function rotation(block: (i: number, j: number) => number, n: number, shrink = 1): number[][] {
    const indices = Array.from({ length: n }, (_, i) => i);
    const q = indices.map((i) => indices.map((j) => shrink * (block(i, j) - block(j, i))));
    const result = indices.map((i) => indices.map((j): number => (i === j ? 1 : 0)));
    let power = q;
    for (let step = 0; step < 60; step++) {
      for (const i of indices) for (const j of indices) result[i]![j]! += 2 * power[i]![j]!;
      const last = power;
      power = indices.map((i) => indices.map((j) => sum(n, (k) => last[i]![k]! * q[k]![j]!)));
    }
    return result;
  }

  test('turns the outputs of each block', async () => {
    const blocks = small(2, size, size);
    const rotations = [0, 1].map((k) => rotation((i, j) => at(blocks, k, i, j), size));
    const turned = (o: number, i: number) =>
      sum(
        size,
        (n) => rotations[Math.floor(o / size)]![n]![o % size]! * at(linearBase, o - (o % size) + n, i),
      );
    const weight = await expectLinear(
      { oft_blocks: blocks, alpha: scalar(0) },
      (o, i) => turned(o, i) - at(linearBase, o, i),
    );
    expect(weight).toMatchObject({ form: 'full', needsBase: true });
    const rescale = tensor(
      random(out).data.map((value) => 1 + value / 10),
      [out, 1],
    );
    await expectLinear(
      { oft_blocks: blocks, rescale },
      (o, i) => at(rescale, o, 0) * turned(o, i) - at(linearBase, o, i),
    );
  });

  test('turns no further than alpha says, times the outputs', async () => {
    const blocks = small(2, size, size);
    const norm = Math.sqrt(
      sum(2, (k) => sum(size, (i) => sum(size, (j) => (at(blocks, k, i, j) - at(blocks, k, j, i)) ** 2))),
    );
    const alpha = Math.fround(norm / out / 3);
    const rotations = [0, 1].map((k) => rotation((i, j) => at(blocks, k, i, j), size, (alpha * out) / norm));
    await expectLinear({ oft_blocks: blocks, alpha: scalar(alpha) }, (o, i) => {
      const start = o - (o % size);
      const turned = sum(size, (n) => rotations[start / size]![n]![o % size]! * at(linearBase, start + n, i));
      return turned - at(linearBase, o, i);
    });
  });

  test('of old files has its matrices as they are', async () => {
    const blocks = random(2, size, size);
    await expectLinear({ oft_diag: blocks }, (o, i) => {
      const start = o - (o % size);
      const turned = sum(size, (n) => at(blocks, start / size, n, o % size) * at(linearBase, start + n, i));
      return turned - at(linearBase, o, i);
    });
  });
});

test('BOFT turns outputs that stage by stage lie further apart', async () => {
  // Eight outputs in four blocks of two: three stages turn those 1, 2 and 4 apart.
  const [rows, columns, count, stages] = [8, 5, 4, 3];
  const random = randomTensors(70);
  const base = random(rows, columns);
  const blocks = random(stages, count, 2, 2);
  const { changes, report } = await loadTensors(
    { unet: new Map([['m', [rows, columns]]]) },
    { 'lora_unet_m.oft_blocks': blocks },
  );
  expect(report.algorithms).toEqual(['boft']);
  let current = Array.from({ length: rows }, (_, o) =>
    Array.from({ length: columns }, (_, i) => at(base, o, i)),
  );
  for (let stage = 0; stage < stages; stage++) {
    const distance = 2 ** stage;
    const next = current.map((row) => [...row]);
    // A pair of rows for each block: the first of every pair in the order of their numbers.
    const firsts = Array.from({ length: rows }, (_, o) => o).filter(
      (o) => Math.floor(o / distance) % 2 === 0,
    );
    for (const [block, first] of firsts.entries()) {
      // Q is [[0, q], [−q, 0]], so that R turns by an angle whose half has the tangent q.
      const q = at(blocks, stage, block, 0, 1) - at(blocks, stage, block, 1, 0);
      const angle = 2 * Math.atan(q);
      const second = first + distance;
      for (let i = 0; i < columns; i++) {
        const [x, y] = [current[first]![i]!, current[second]![i]!];
        next[first]![i] = Math.cos(angle) * x + Math.sin(angle) * y;
        next[second]![i] = -Math.sin(angle) * x + Math.cos(angle) * y;
      }
    }
    current = next;
  }
  const merged = mergeWeight(base, [[changes[0]!.weight!, 1]]);
  for (let o = 0; o < rows; o++)
    for (let i = 0; i < columns; i++) expect(at(merged, o, i)).toBeCloseTo(current[o]![i]!, 5);
});

describe('full differences', () => {
  const random = randomTensors(80);

  test('are added as they are, with that of the bias', async () => {
    const diff = random(out, inputs);
    await expectLinear({ diff }, (o, i) => at(diff, o, i));
    const kernel = random(out, inputs, 3, 3);
    const bias = random(out);
    await expectConv({ diff: kernel, diff_b: bias }, (o, i, y, x) => at(kernel, o, i, y, x));
    expect((await changeOf('conv', { diff: kernel, diff_b: bias })).bias).toEqual(bias);
    expect(await changeOf('linear', { diff_b: bias })).toEqual({ component: 'unet', module: 'linear', bias });
  });

  test('of norms change weight and bias', async () => {
    const [w, b] = [random(out), random(out)];
    const { weight, bias } = await changeOf('norm', { w_norm: w, b_norm: b });
    const base = random(out);
    const merged = mergeWeight(base, [[weight!, 2]]);
    for (let i = 0; i < out; i++) expect(at(merged, i)).toBeCloseTo(at(base, i) + 2 * at(w, i), 5);
    expect(bias).toEqual(b);
  });
});

describe('DoRA', () => {
  const random = randomTensors(90);
  const positive = (...dims: number[]) => {
    const values = random(...dims);
    return tensor(values.data.map(Math.abs), dims);
  };
  const up = random(out, rank);
  const down = random(rank, inputs);
  const changed = (o: number, i: number) =>
    at(linearBase, o, i) + 0.5 * sum(rank, (r) => at(up, o, r) * at(down, r, i));
  const parts = { 'lora_up.weight': up, 'lora_down.weight': down, alpha: scalar(1) };

  test('sets the norm of each output', async () => {
    const dora_scale = positive(out, 1);
    const weight = await expectLinear({ ...parts, dora_scale }, (o, i) => {
      const norm = Math.sqrt(sum(inputs, (j) => changed(o, j) ** 2));
      return (changed(o, i) * at(dora_scale, o, 0)) / norm - at(linearBase, o, i);
    });
    expect(weight).toMatchObject({ form: 'full', needsBase: true });
    const merged = mergeWeight(linearBase, [[weight, 1]]);
    for (let o = 0; o < out; o++)
      expect(Math.sqrt(sum(inputs, (i) => at(merged, o, i) ** 2))).toBeCloseTo(at(dora_scale, o, 0), 5);
  });

  test('sets the norm of each input where its magnitudes lie in a row', async () => {
    const dora_scale = positive(1, inputs);
    await expectLinear({ ...parts, dora_scale }, (o, i) => {
      const norm = Math.sqrt(sum(out, (p) => changed(p, i) ** 2));
      return (changed(o, i) * at(dora_scale, 0, i)) / norm - at(linearBase, o, i);
    });
  });

  test('of a square weight goes by the dims of its magnitudes', async () => {
    const square = { unet: new Map([['m', [4, 4]]]) };
    const base = random(4, 4);
    const [wide, tall] = [random(1, 4), random(4, 1)];
    for (const dims of [
      [4, 1],
      [1, 4],
    ]) {
      const dora_scale = positive(...dims);
      const named = { 'lora_up.weight': tall, 'lora_down.weight': wide, dora_scale };
      const tensors = Object.entries(named).map(([part, values]) => [`lora_unet_m.${part}`, values]);
      const { changes } = await loadTensors(square, Object.fromEntries(tensors));
      const merged = mergeWeight(base, [[changes[0]!.weight!, 1]]);
      for (let k = 0; k < 4; k++) {
        const norm = Math.sqrt(sum(4, (j) => (dims[0] === 4 ? at(merged, k, j) : at(merged, j, k)) ** 2));
        expect(norm).toBeCloseTo(dora_scale.data[k]!, 5);
      }
    }
  });

  test('of a convolution has norms over its kernel, along either axis', async () => {
    const wide = random(rank, inputs, 3, 3);
    const tall = random(out, rank, 1, 1);
    const conv = { 'lora_up.weight': tall, 'lora_down.weight': wide };
    const sumOf = (o: number, i: number, k: number) =>
      convBase.data[(o * inputs + i) * 9 + k]! +
      sum(rank, (r) => at(tall, o, r, 0, 0) * wide.data[(r * inputs + i) * 9 + k]!);
    const byOutput = positive(out, 1, 1, 1);
    await expectConv({ ...conv, dora_scale: byOutput }, (o, i, y, x) => {
      const norm = Math.sqrt(sum(inputs, (j) => sum(9, (k) => sumOf(o, j, k) ** 2)));
      return (sumOf(o, i, y * 3 + x) * byOutput.data[o]!) / norm - at(convBase, o, i, y, x);
    });
    const byInput = positive(1, inputs, 1, 1);
    await expectConv({ ...conv, dora_scale: byInput }, (o, i, y, x) => {
      const norm = Math.sqrt(sum(out, (p) => sum(9, (k) => sumOf(p, i, k) ** 2)));
      return (sumOf(o, i, y * 3 + x) * byInput.data[i]!) / norm - at(convBase, o, i, y, x);
    });
  });

  test('of PEFT is of outputs, also where a convolution has its magnitudes in the second dimension', async () => {
    const magnitude = positive(1, out, 1, 1);
    const wide = random(rank, inputs, 3, 3);
    const tall = random(out, rank, 1, 1);
    const conv = { 'lora_B.weight': tall, 'lora_A.weight': wide, lora_magnitude_vector: magnitude };
    const { weight } = await changeOf('conv', conv);
    const merged = mergeWeight(convBase, [[weight!, 1]]);
    for (let o = 0; o < out; o++) {
      const norm = Math.sqrt(sum(inputs * 9, (k) => merged.data[o * inputs * 9 + k]! ** 2));
      expect(norm).toBeCloseTo(magnitude.data[o]!, 5);
    }
  });

  test('goes with other members of the family', async () => {
    const [w1, w2, dora_scale] = [random(2, 2), random(3, 2), positive(out, 1)];
    const sumOf = (o: number, i: number) =>
      at(linearBase, o, i) + at(w1, Math.floor(o / 3), Math.floor(i / 2)) * at(w2, o % 3, i % 2);
    await expectLinear({ lokr_w1: w1, lokr_w2: w2, dora_scale }, (o, i) => {
      const norm = Math.sqrt(sum(inputs, (j) => sumOf(o, j) ** 2));
      return (sumOf(o, i) * at(dora_scale, o, 0)) / norm - at(linearBase, o, i);
    });
  });
});
