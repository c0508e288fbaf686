// Where folders and devices come from in Node.
export { createDevice, openFolder } from '@emulsion/runtime-node';
