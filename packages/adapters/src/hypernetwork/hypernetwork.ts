// Hypernetworks as AUTOMATIC1111's web UI defines them (modules/hypernetworks/hypernetwork.py): small networks that
// change what keys and values are made of in a U-Net's attention.
import type { Tensor } from '@emulsion/tensor';
import type { HypernetworkActivation } from './activations.ts';

/** x · weightᵀ + bias. */
export interface HypernetworkLinear {
  readonly kind: 'linear';
  /** `[out, in]` */
  readonly weight: Tensor;
  /** `[out]` */
  readonly bias: Tensor;
}

/** A normalization over the channels, with `layerNormEpsilon`. */
export interface HypernetworkLayerNorm {
  readonly kind: 'layerNorm';
  /** `[channels]` */
  readonly weight: Tensor;
  /** `[channels]` */
  readonly bias: Tensor;
}

/** A function of each element. */
export interface HypernetworkNonlinearity {
  readonly kind: 'activation';
  readonly name: HypernetworkActivation;
  /** The slope below zero, `[1]`, that a `prelu` has learned; no other function has one. */
  readonly weight?: Tensor;
}

/** A layer as it is evaluated; what only matters in training (dropout) is left out. */
export type HypernetworkLayer = HypernetworkLinear | HypernetworkLayerNorm | HypernetworkNonlinearity;

/** The two networks for contexts of one width: each context becomes `context + strength · network(context)`. */
export interface HypernetworkPair {
  /** For what keys are made of. */
  readonly key: readonly HypernetworkLayer[];
  /** For what values are made of. */
  readonly value: readonly HypernetworkLayer[];
}

/** What PyTorch's LayerNorm adds to the variance. */
export const layerNormEpsilon = 1e-5;

/** What a file says of a hypernetwork beside its weights; what it leaves out is as A1111 takes it. */
export interface HypernetworkSettings {
  readonly name: string;
  /** Steps that it was trained for. */
  readonly step: number;
  /** Widths of the layers, as multiples of the context's; the first and the last are 1. */
  readonly layerStructure: readonly number[];
  /** A1111's name of the activation; its `swish` is PyTorch's Hardswish, and `linear` is none. */
  readonly activation: string;
  readonly isLayerNorm: boolean;
  /** Whether the last linear layer has the activation too. */
  readonly activateOutput: boolean;
  /** In training, the share of elements that is dropped behind each layer; as many as in `layerStructure`. */
  readonly dropoutStructure: readonly number[];
  /** How the weights were drawn before training. */
  readonly weightInitialization: string;
  /** First digits of the hash of the checkpoint that it was trained on, and that checkpoint's name. */
  readonly checkpointHash: string | undefined;
  readonly checkpointName: string | undefined;
  readonly optionalInfo: string | undefined;
}

/** A hypernetwork. */
export interface Hypernetwork extends HypernetworkSettings {
  /** The networks by the width of the contexts that they are for. A context of another width stays as it is. */
  readonly widths: ReadonlyMap<number, HypernetworkPair>;
  /** The type of the weights in the file, which they are written in again. */
  readonly dtype: 'float32' | 'float16';
  /** What is to be said of the file, in sentences. */
  readonly notes: readonly string[];
}
