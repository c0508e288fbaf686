// PNG's row filters (specification, section 9): each byte less a prediction from its neighbours, so that it packs well.

/** The prediction from the byte to the left, above, and above to the left that is nearest to a plane (Paeth 1991). */
function paeth(left: number, above: number, corner: number): number {
  const leftDistance = Math.abs(above - corner);
  const aboveDistance = Math.abs(left - corner);
  const cornerDistance = Math.abs(left + above - 2 * corner);
  if (leftDistance <= aboveDistance && leftDistance <= cornerDistance) return left;
  return aboveDistance <= cornerDistance ? above : corner;
}

/** What each filter, by its number in the file, predicts. */
function predict(filter: number, left: number, above: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return (left + above) >>> 1;
    case 4:
      return paeth(left, above, corner);
    default:
      return 0;
  }
}

/** How far a byte is from zero, when 255 is one below it. */
const magnitude = (difference: number) => Math.abs((difference << 24) >> 24);

/** The filter whose differences are smallest in sum: what the specification recommends (section 12.7). */
function chooseFilter(row: Uint8Array, rowAbove: Uint8Array, channels: number): number {
  let none = 0;
  let sub = 0;
  let up = 0;
  let average = 0;
  let nearest = 0;
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    const left = i < channels ? 0 : row[i - channels]!;
    const corner = i < channels ? 0 : rowAbove[i - channels]!;
    const above = rowAbove[i]!;
    none += magnitude(value);
    sub += magnitude(value - left);
    up += magnitude(value - above);
    average += magnitude(value - ((left + above) >>> 1));
    nearest += magnitude(value - paeth(left, above, corner));
  }
  const sums = [none, sub, up, average, nearest];
  return sums.indexOf(Math.min(...sums));
}

/**
 * The rows of a picture, each filtered and behind the number of its filter.
 * @param data 8-bit samples, row after row
 * @param channels samples in a pixel
 */
export function filterRows(data: Uint8Array, width: number, channels: number): Uint8Array {
  const stride = width * channels;
  const height = data.length / stride;
  const filtered = new Uint8Array(height * (stride + 1));
  let rowAbove: Uint8Array = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * stride, (y + 1) * stride);
    const target = filtered.subarray(y * (stride + 1), (y + 1) * (stride + 1));
    const filter = chooseFilter(row, rowAbove, channels);
    target[0] = filter;
    for (let i = 0; i < stride; i++) {
      const left = i < channels ? 0 : row[i - channels]!;
      const corner = i < channels ? 0 : rowAbove[i - channels]!;
      target[i + 1] = row[i]! - predict(filter, left, rowAbove[i]!, corner);
    }
    rowAbove = row;
  }
  return filtered;
}

/**
 * The rows without their filters, of pixels that take a byte or share one.
 * @param filtered rows of `stride` bytes, each behind the number of its filter
 * @throws {RangeError} if there is no such filter
 */
export function unfilterRows(filtered: Uint8Array, stride: number): Uint8Array {
  const height = filtered.length / (stride + 1);
  const data = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const source = y * (stride + 1);
    const filter = filtered[source]!;
    if (filter > 4) throw new RangeError(`there is no filter ${filter}`);
    const start = y * stride;
    for (let i = 0; i < stride; i++) {
      const left = i === 0 ? 0 : data[start + i - 1]!;
      const above = y === 0 ? 0 : data[start + i - stride]!;
      const corner = i === 0 || y === 0 ? 0 : data[start + i - stride - 1]!;
      data[start + i] = filtered[source + i + 1]! + predict(filter, left, above, corner);
    }
  }
  return data;
}
