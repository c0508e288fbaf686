// What networks that adapters change have in common.
import type { Weights } from '@emulsion/checkpoints';
import type { Cancellable } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import type { NetworkAdapter } from './adapter-feeds.ts';

/** A loaded network that adapters change while it stays loaded. */
export interface AdaptableNetwork {
  /** The weights that it is written from, by name: adapters name modules of these. None of a ready-made graph. */
  readonly weights: Weights;
  /** The values of a weight. @throws {InvalidArgumentError} if there is none of that name */
  readWeight(name: string): Promise<Tensor>;
  /**
   * From now on the network is what these adapters make of it, in any order; `[]` is the network as it is stored. Weights
   * of adapters are sent to the device once. Strengths are asked for in each run.
   * @throws {InvalidArgumentError} or {ShapeError} if one is not for this network, which then stays as it was
   */
  adapt(adapters: readonly NetworkAdapter[], options?: Cancellable): Promise<void>;
  /** Loads the network anew with these weights in the place of its own, for good, and without the adapters that it has. */
  replaceWeights(weights: ReadonlyMap<string, Tensor>, options?: Cancellable): Promise<void>;
}

/** A network whose graph was not written here, so that nothing can be put into it. */
export function unadaptable(network: string): AdaptableNetwork {
  const weights: Weights = new Map();
  return {
    weights,
    readWeight: async (name) => {
      throw new InvalidArgumentError(`${network}: its graph is ready-made, and has no weight "${name}".`);
    },
    async adapt(adapters) {
      if (adapters.length > 0) refuse(network);
    },
    replaceWeights: async () => refuse(network),
  };
}

function refuse(network: string): never {
  throw new InvalidArgumentError(
    `${network}: its graph is ready-made, and takes no adapters. Use the model in diffusers layout, with its weights.`,
  );
}
