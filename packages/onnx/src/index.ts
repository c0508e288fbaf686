export type { ByteRange, FileRef } from './byte-range.ts';
export { type DataType, dataTypeBytes, dataTypeNumbers } from './data-type.ts';
