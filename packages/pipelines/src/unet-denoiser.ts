// A U-Net as a denoiser whose conditions are encoded prompts.
import type { Denoiser } from '@emulsion/guidance';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Unet } from '@emulsion/unet';

/**
 * Evaluations whose prompts are equally long run as one batch, others one after the other.
 * @returns a denoiser; its conditions are `[batch, sequence, crossAttentionDim]`
 */
export function unetDenoiser(unet: Unet, ops: TensorOps, options: Cancellable = {}): Denoiser<Tensor> {
  return async (evaluations) => {
    const lengths = new Set(evaluations.map(({ condition }) => condition.dims[1]));
    if (lengths.size > 1) {
      const outputs: Tensor[] = [];
      for (const { sample, timestep, condition } of evaluations) {
        outputs.push(await unet.predict({ sample, timestep, encoderHiddenStates: condition }, options));
      }
      return outputs;
    }
    const output = await unet.predict(
      {
        sample: ops.concat(evaluations.map(({ sample }) => sample)),
        timestep: evaluations.flatMap(({ sample, timestep }) =>
          Array.from({ length: sample.dims[0]! }, () => timestep),
        ),
        encoderHiddenStates: ops.concat(evaluations.map(({ condition }) => condition)),
      },
      options,
    );
    let start = 0;
    return evaluations.map(({ sample }) => {
      const end = start + sample.dims[0]!;
      const part = ops.slice(output, start, end);
      start = end;
      return part;
    });
  };
}
