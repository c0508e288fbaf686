// The graphics card that WebGPU gives, with all that it can do.
import { DeviceUnavailableError } from '@emulsion/runtime';
import { messageOf } from './message-of.ts';

const unavailable = (reason: string) =>
  new DeviceUnavailableError('webgpu', `The device "webgpu" is not available. ${reason}`);

/** What people call the card, as far as the browser tells. */
export function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter((word) => word !== '').join(' ') || 'unnamed';
}

/**
 * A connection to the fastest card, of its own: it is closed with `destroy`, and its loss concerns nobody else.
 * @throws {DeviceUnavailableError} if the browser has no WebGPU, or none for this page and machine
 */
export async function openGraphicsCard(): Promise<GPUDevice> {
  if (!globalThis.isSecureContext)
    throw unavailable('WebGPU needs a page that came by https or from localhost.');
  // The type has no word for browsers without it.
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) throw unavailable('This browser has no WebGPU; current Chrome, Edge, Safari and Firefox do.');
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw unavailable('The browser knows no graphics card that it would use for it.');
  // A device has the smallest limits and no features unless they are asked for.
  const limits: Record<string, number> = {};
  for (const name in adapter.limits)
    limits[name] = adapter.limits[name as keyof GPUSupportedLimits] as number;
  try {
    return await adapter.requestDevice({
      requiredFeatures: [...adapter.features] as GPUFeatureName[],
      requiredLimits: limits,
    });
  } catch (cause) {
    throw unavailable(`The graphics card "${nameOf(adapter.info)}" could not be opened: ${messageOf(cause)}`);
  }
}
