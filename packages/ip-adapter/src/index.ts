export { type ImageProjection, imageProjectionModel, imageProjectionOf } from './image-projection.ts';
export { type IpAdapterWeights, openIpAdapterWeights } from './ip-adapter-weights.ts';
export { type IpAdapter, type LoadIpAdapterOptions, loadIpAdapter } from './load-ip-adapter.ts';
