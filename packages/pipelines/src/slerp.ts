// Spherical interpolation between two draws of noise, as A1111 mixes in a variation seed (Shoemake 1985).
import { type Tensor, tensor } from '@emulsion/tensor';

/** From this cosine on, averaged over all, two draws count as one and the same. */
const parallel = 0.9995;

/**
 * Walks from one tensor to another on an arc, so that the mixture of two draws of normal noise has its variance too.
 * A1111 measures the angle between the columns of pixels, one by one, and so does this.
 * @param from `[batch, channels, height, width]`
 * @param to of the same dims
 * @param share 0 gives `from`, 1 gives `to`
 */
export function slerp(from: Tensor, to: Tensor, share: number): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = from.dims;
  const columns = batch * channels * width;
  const angles = new Float64Array(columns);
  let sum = 0;
  const eachElement = (column: number, visit: (index: number) => void) => {
    const start = Math.floor(column / width) * height * width + (column % width);
    for (let row = 0; row < height; row++) visit(start + row * width);
  };
  for (let column = 0; column < columns; column++) {
    let [product, square, otherSquare] = [0, 0, 0];
    eachElement(column, (i) => {
      const [a, b] = [from.data[i]!, to.data[i]!];
      product += a * b;
      square += a * a;
      otherSquare += b * b;
    });
    const cosine = product / Math.sqrt(square * otherSquare);
    sum += cosine;
    angles[column] = Math.acos(Math.min(Math.max(cosine, -1), 1));
  }
  if (sum / columns > parallel) return from;
  const mixed = new Float32Array(from.data.length);
  for (const [column, angle] of angles.entries()) {
    // Columns of one direction have no arc between them: the limit is the straight line.
    const weight = (part: number) => (angle < 1e-6 ? part : Math.sin(part * angle) / Math.sin(angle));
    const [own, other] = [weight(1 - share), weight(share)];
    eachElement(column, (i) => {
      mixed[i] = own * from.data[i]! + other * to.data[i]!;
    });
  }
  return tensor(mixed, from.dims);
}
