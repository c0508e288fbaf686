// Several ControlNets at once: their residuals are added up (Zhang et al. 2023, section 3.4).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { ControlResiduals } from '@emulsion/unet';

/** The sum of the residuals of ControlNets for one U-Net, of which there is at least one. */
export function addResiduals(
  ops: TensorOps,
  residuals: readonly [ControlResiduals, ...ControlResiduals[]],
): ControlResiduals {
  const add = (of: (one: ControlResiduals) => Tensor): Tensor => {
    const [first, ...rest] = residuals.map(of) as [Tensor, ...Tensor[]]; // as many as there are residuals
    return rest.reduce((sum, tensor) => ops.combine([1, sum], [1, tensor]), first);
  };
  return {
    downBlockResiduals: residuals[0].downBlockResiduals.map((_, i) =>
      add((one) => one.downBlockResiduals[i]!),
    ),
    midBlockResidual: add((one) => one.midBlockResidual),
  };
}
