// What the caller's process and the inference process say to each other.
import type { DType, HalfFormat } from '@emulsion/tensor';

/** A tensor as it crosses between the processes. */
export interface WireTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView;
}

/** A float32 tensor in 16 bits for each element, which become float32 on the other side. */
export interface WireHalfTensor {
  readonly format: HalfFormat;
  readonly dims: readonly number[];
  readonly halves: Uint16Array;
}

/** What an input is fed: a tensor, or the number of one that the inference process holds. */
export type WireFeed = WireTensor | WireHalfTensor | { readonly held: number };

/** A graph to load: the bytes of its .onnx file, and where its weights are. */
export interface WireModel {
  readonly bytes: Uint8Array;
  /** Folder that the locations of weights in files are relative to. */
  readonly root: string;
  /** Weights that are in memory, by location. */
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
  readonly executionProvider: string;
}

export type Request =
  | { readonly type: 'create'; readonly session: number; readonly model: WireModel }
  | { readonly type: 'run'; readonly session: number; readonly feeds: Readonly<Record<string, WireFeed>> }
  | { readonly type: 'release'; readonly session: number }
  | { readonly type: 'hold'; readonly held: number; readonly tensor: WireTensor | WireHalfTensor }
  | { readonly type: 'drop'; readonly held: number };

/** Requests are answered in the order in which they came, each with its number. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly outputs: Readonly<Record<string, WireTensor>> }
  | { readonly id: number; readonly ok: false; readonly message: string };
