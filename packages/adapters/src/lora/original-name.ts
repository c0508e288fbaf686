// A module as the original code of a model names it, which may have several of diffusers' modules in one.

export interface OriginalName {
  readonly name: string;
  /** diffusers' modules whose rows it has, in this order. */
  readonly modules: readonly string[];
  /** Whether scale and shift, the halves of its rows, stand the other way round in diffusers. */
  readonly swapped?: boolean;
}
