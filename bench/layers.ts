// Names and shapes of the weights of layers, as diffusers' modules have them.

/** Shapes of tensors by name. */
export type Shapes = Map<string, readonly number[]>;

/** Collects the shapes of layers. */
export class Layers {
  readonly shapes: Shapes = new Map();

  linear(path: string, inFeatures: number, outFeatures: number, bias = true): void {
    this.shapes.set(`${path}.weight`, [outFeatures, inFeatures]);
    if (bias) this.shapes.set(`${path}.bias`, [outFeatures]);
  }

  conv(path: string, inChannels: number, outChannels: number, kernel: number): void {
    this.shapes.set(`${path}.weight`, [outChannels, inChannels, kernel, kernel]);
    this.shapes.set(`${path}.bias`, [outChannels]);
  }

  norm(path: string, channels: number): void {
    this.shapes.set(`${path}.weight`, [channels]);
    this.shapes.set(`${path}.bias`, [channels]);
  }

  resnet(path: string, inChannels: number, outChannels: number, timeChannels?: number): void {
    this.norm(`${path}.norm1`, inChannels);
    this.conv(`${path}.conv1`, inChannels, outChannels, 3);
    if (timeChannels !== undefined) this.linear(`${path}.time_emb_proj`, timeChannels, outChannels);
    this.norm(`${path}.norm2`, outChannels);
    this.conv(`${path}.conv2`, outChannels, outChannels, 3);
    if (inChannels !== outChannels) this.conv(`${path}.conv_shortcut`, inChannels, outChannels, 1);
  }

  /** `depth` transformer blocks between projections, which are convolutions unless said otherwise. */
  transformer(
    path: string,
    channels: number,
    contextChannels: number,
    { depth = 1, linearProjection = false }: { depth?: number; linearProjection?: boolean } = {},
  ): void {
    const project = (name: string) =>
      linearProjection
        ? this.linear(`${path}.${name}`, channels, channels)
        : this.conv(`${path}.${name}`, channels, channels, 1);
    this.norm(`${path}.norm`, channels);
    project('proj_in');
    for (let i = 0; i < depth; i++)
      this.#transformerBlock(`${path}.transformer_blocks.${i}`, channels, contextChannels);
    project('proj_out');
  }

  #transformerBlock(block: string, channels: number, contextChannels: number): void {
    for (const [name, inFeatures] of [
      ['attn1', channels],
      ['attn2', contextChannels],
    ] as const) {
      this.linear(`${block}.${name}.to_q`, channels, channels, false);
      this.linear(`${block}.${name}.to_k`, inFeatures, channels, false);
      this.linear(`${block}.${name}.to_v`, inFeatures, channels, false);
      this.linear(`${block}.${name}.to_out.0`, channels, channels);
    }
    this.linear(`${block}.ff.net.0.proj`, channels, 8 * channels);
    this.linear(`${block}.ff.net.2`, 4 * channels, channels);
    for (const norm of ['norm1', 'norm2', 'norm3']) this.norm(`${block}.${norm}`, channels);
  }
}
