// The parts of the golden data, and what a test tells the reporter of a case.

/** The areas that a folder of golden data may have. */
export const areas = ['rng', 'tokenizer', 'schedulers', 'models', 'adapters', 'onnx'] as const;
export type Area = (typeof areas)[number];

/** The case that a test checks. */
export interface GoldenMeta {
  readonly area: Area;
  readonly kind: string;
  readonly name: string;
  /** Why the case was not run. */
  readonly unsupported?: string;
}

declare module 'vitest' {
  interface TaskMeta {
    golden?: GoldenMeta;
  }
}
