// Small WGSL programs: how they are written, compiled once for a card, and run.
import { bufferUsage } from './gpu-tensor.ts';

/** A program over float32 tensors: some are read, one is written. */
export interface Kernel<Parameter extends string = string> {
  readonly name: string;
  /** Numbers that it is run with, by name; WGSL code has them as `p.name`. */
  readonly parameters: Readonly<Record<Parameter, 'f32' | 'u32'>>;
  /** Names of the arrays that are read. */
  readonly inputs: readonly string[];
  /** WGSL: functions, of which `main` is run; the array that is written is `y`, and an invocation group has `groupSize` members. */
  readonly code: string;
}

/** Invocations in a group. */
export const groupSize = 256;

/** What a kernel is run on. */
export interface Run<Parameter extends string = string> {
  readonly parameters: Readonly<Record<Parameter, number>>;
  /** One for each name of `inputs`. */
  readonly inputs: readonly GPUBuffer[];
  readonly output: GPUBuffer;
  /** How many groups run. */
  readonly groups: number;
}

/** The whole program of a kernel. */
function source({ parameters, inputs, code }: Kernel): string {
  const fields = Object.entries(parameters).map(([name, type]) => `  ${name}: ${type},`);
  const arrays = inputs.map(
    (name, i) => `@group(0) @binding(${i + 2}) var<storage, read> ${name}: array<f32>;`,
  );
  return [
    `const groupSize = ${groupSize}u;`,
    'struct Parameters {',
    ...fields,
    '}',
    '@group(0) @binding(0) var<uniform> p: Parameters;',
    '@group(0) @binding(1) var<storage, read_write> y: array<f32>;',
    ...arrays,
    code,
  ].join('\n');
}

/** A kernel on a card. */
interface Compiled {
  readonly pipeline: GPUComputePipeline;
  /** Each run writes its parameters here; runs and writes are done in their order. */
  readonly uniforms: GPUBuffer;
}

/** The kernels of one card. */
export class KernelRunner {
  readonly #card: GPUDevice;
  readonly #compiled = new Map<Kernel, Compiled>();

  constructor(card: GPUDevice) {
    this.#card = card;
  }

  /** Has a kernel run after all that was asked of the card before. */
  run<Parameter extends string>(kernel: Kernel<Parameter>, run: Run<Parameter>): void {
    const { pipeline, uniforms } = this.#compile(kernel);
    const { queue } = this.#card;
    queue.writeBuffer(uniforms, 0, parameterBytes(kernel, run.parameters));
    const encoder = this.#card.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const buffers = [uniforms, run.output, ...run.inputs];
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    pass.setBindGroup(0, this.#card.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(run.groups);
    pass.end();
    queue.submit([encoder.finish()]);
  }

  #compile(kernel: Kernel): Compiled {
    const known = this.#compiled.get(kernel);
    if (known) return known;
    const module = this.#card.createShaderModule({ label: kernel.name, code: source(kernel) });
    const compiled: Compiled = {
      pipeline: this.#card.createComputePipeline({
        label: kernel.name,
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      }),
      uniforms: this.#card.createBuffer({
        size: 4 * Object.keys(kernel.parameters).length,
        usage: bufferUsage.uniforms,
      }),
    };
    this.#compiled.set(kernel, compiled);
    return compiled;
  }
}

/** The parameters as the kernel's struct has them, each in four bytes. */
function parameterBytes<Parameter extends string>(
  kernel: Kernel<Parameter>,
  values: Readonly<Record<Parameter, number>>,
): ArrayBuffer {
  const names = Object.keys(kernel.parameters) as Parameter[]; // what the record is made of
  const view = new DataView(new ArrayBuffer(4 * names.length));
  for (const [i, name] of names.entries()) {
    if (kernel.parameters[name] === 'f32') view.setFloat32(4 * i, values[name], true);
    else view.setUint32(4 * i, values[name], true);
  }
  return view.buffer;
}
