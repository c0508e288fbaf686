export { addResiduals } from './add-residuals.ts';
export { controlNet } from './control-net.ts';
export { type ControlNetConfig, parseControlNetConfig } from './controlnet-config.ts';
export { type ControlNet, type ControlNetInputs, loadControlNet } from './load-controlnet.ts';
