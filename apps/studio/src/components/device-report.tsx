// What computes, and why that.
import { formatBytes } from '../memory.ts';
import { deviceChoices } from '../preferences.ts';
import { chooseDevice, device, memory, model } from '../studio.ts';

const names = {
  auto: 'The best there is',
  webgpu: 'Graphics card (WebGPU)',
  wasm: 'Processor (WebAssembly)',
};
const kinds: Readonly<Record<string, string>> = { webgpu: 'Graphics card', wasm: 'Processor' };

export function DeviceReport() {
  const { value } = model;
  const pipeline = value?.state === 'ready' ? value.pipeline : undefined;
  return (
    <section class="panel" aria-labelledby="device-title">
      <h2 id="device-title">Device</h2>
      {pipeline && <p>{kinds[pipeline.device.kind] ?? pipeline.device.kind}</p>}
      {pipeline && (
        <ul class="hint">
          {pipeline.device.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
          {memory.value !== undefined && (
            <li>{formatBytes(memory.value)} of WebAssembly’s memory are in use.</li>
          )}
        </ul>
      )}
      <label class="field">
        <span>Compute with</span>
        <select
          name="device"
          value={device.value}
          onChange={({ currentTarget }) => {
            const chosen = deviceChoices.find((kind) => kind === currentTarget.value);
            if (chosen) chooseDevice(chosen);
          }}
        >
          {deviceChoices.map((kind) => (
            <option key={kind} value={kind}>
              {names[kind]}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}
