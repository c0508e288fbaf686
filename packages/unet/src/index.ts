export { type LoadOptions, loadUnet, type Unet, type UnetInputs } from './load-unet.ts';
export { unet2dCondition } from './unet-2d-condition.ts';
export { parseUnetConfig, type UnetConfig } from './unet-config.ts';
