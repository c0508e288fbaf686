import { DeviceUnavailableError } from '@emulsion/runtime';
import { expect, test, vi } from 'vitest';
import { createDevice } from './create-device.ts';

test('a WebAssembly file that is not where it is said to be is named, with what to do', async () => {
  // What onnxruntime prints when it cannot start is not ours to stop.
  const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error')].map((spy) => spy.mockReturnValue());
  const locateWasm = (fileName: string) => new URL(`/nowhere/${fileName}`, location.href);
  const failure = await createDevice('wasm', { locateWasm }).catch((error: unknown) => error);
  for (const spy of printed) spy.mockRestore();
  expect(DeviceUnavailableError.is(failure) && failure.message).toMatch(
    /^The device "wasm" is not available\. onnxruntime's file ort-wasm-simd-threaded\.jspi\.wasm could not be started \(.+\)\. If it is not where the page's bundler put it, say with "locateWasm" where it is\.$/,
  );
});
