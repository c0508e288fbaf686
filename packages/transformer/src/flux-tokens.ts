// Latents as Flux's tokens and back: each token is a patch of 2×2 pixels.
import { ShapeError, type Tensor, tensor, zeros } from '@emulsion/tensor';

/** Calls `visit` with the index of each element in latents `[batch, channels, height, width]` and in tokens of them. */
function eachElement(
  [batch = 0, channels = 0, height = 0, width = 0]: readonly number[],
  visit: (inLatents: number, inTokens: number) => void,
): void {
  let inLatents = 0;
  for (let sample = 0; sample < batch; sample++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const patch = (y >> 1) * (width / 2) + (x >> 1);
          const token = sample * (height / 2) * (width / 2) + patch;
          visit(inLatents++, (token * channels + channel) * 4 + (y & 1) * 2 + (x & 1));
        }
      }
    }
  }
}

/**
 * Latents `[batch, channels, height, width]` as tokens `[batch, height/2 · width/2, 4·channels]`.
 * @throws {ShapeError} if height or width is odd
 */
export function packLatents({ dims, data }: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = dims;
  if (dims.length !== 4 || height % 2 !== 0 || width % 2 !== 0) {
    throw new ShapeError(
      `transformer: the latents are [${dims.join(', ')}], [batch, channels, height, width] with even height and width is wanted. Choose another size of picture.`,
    );
  }
  const tokens = zeros([batch, (height / 2) * (width / 2), 4 * channels]);
  eachElement(dims, (inLatents, inTokens) => {
    tokens.data[inTokens] = data[inLatents]!;
  });
  return tokens;
}

/**
 * Tokens `[batch, height/2 · width/2, 4·channels]` as latents `[batch, channels, height, width]`.
 * @throws {ShapeError} if there are not as many tokens as `height` and `width` take
 */
export function unpackLatents({ dims, data }: Tensor, height: number, width: number): Tensor {
  const [batch = 0, sequence, features = 0] = dims;
  if (dims.length !== 3 || sequence !== (height / 2) * (width / 2) || features % 4 !== 0) {
    throw new ShapeError(
      `transformer: the tokens are [${dims.join(', ')}], ${height}×${width} latents take [batch, ${(height / 2) * (width / 2)}, 4·channels].`,
    );
  }
  const latents = zeros([batch, features / 4, height, width]);
  eachElement(latents.dims, (inLatents, inTokens) => {
    latents.data[inLatents] = data[inTokens]!;
  });
  return latents;
}

/** Positions of the tokens of latents: 0, row and column of each patch, `[height/2 · width/2, 3]`. */
export function patchPositions(height: number, width: number): Tensor {
  const [rows, columns] = [height / 2, width / 2];
  const positions = new Float32Array(rows * columns * 3);
  for (let token = 0; token < rows * columns; token++) {
    positions[3 * token + 1] = Math.floor(token / columns);
    positions[3 * token + 2] = token % columns;
  }
  return tensor(positions, [rows * columns, 3]);
}
