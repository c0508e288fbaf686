// How it is to be painted.
import { schedulerAliases, spacingAliases } from '@emulsion/schedulers';
import { change, lastSeed, model, modelSize, previewEvery, savePreferences, settings } from '../studio.ts';
import { NumberField } from './number-field.tsx';

export function SettingsPanel() {
  const { value } = settings;
  const ready = model.value?.state === 'ready';
  return (
    <section class="panel settings" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings</h2>
      <div class="grid">
        <NumberField
          label="Steps"
          name="numInferenceSteps"
          min={1}
          max={1000}
          value={value.numInferenceSteps}
          onChange={(numInferenceSteps = 1) => change({ numInferenceSteps })}
        />
        <NumberField
          label="Guidance"
          name="guidanceScale"
          min={0}
          max={100}
          step={0.1}
          value={value.guidanceScale}
          onChange={(guidanceScale = 1) => change({ guidanceScale })}
        />
        <Choice
          label="Sampler"
          name="sampler"
          value={value.sampler}
          none="Model’s"
          names={schedulerAliases.map(({ name }) => name)}
          onChange={(sampler) => change({ sampler, ...(sampler === '' && { spacing: '' }) })}
        />
        <Choice
          label="Noise levels"
          name="spacing"
          value={value.spacing}
          none="Sampler’s"
          names={spacingAliases.map(({ name }) => name)}
          disabled={value.sampler === ''}
          onChange={(spacing) => change({ spacing })}
        />
        <NumberField
          label="Width"
          name="width"
          min={modelSize.value.multiple}
          max={2048}
          step={modelSize.value.multiple}
          placeholder={ready ? `${modelSize.value.side}` : ''}
          value={value.width}
          onChange={(width) => change({ width })}
        />
        <NumberField
          label="Height"
          name="height"
          min={modelSize.value.multiple}
          max={2048}
          step={modelSize.value.multiple}
          placeholder={ready ? `${modelSize.value.side}` : ''}
          value={value.height}
          onChange={(height) => change({ height })}
        />
        <NumberField
          label="Pictures"
          name="numImages"
          min={1}
          max={16}
          value={value.numImages}
          onChange={(numImages = 1) => change({ numImages })}
        />
        <NumberField
          label="Steps per preview"
          name="previewEvery"
          min={0}
          max={100}
          value={previewEvery.value}
          onChange={(every = 0) => {
            previewEvery.value = every;
            savePreferences();
          }}
        />
      </div>
      <fieldset class="seed">
        <legend class="visually-hidden">Seed</legend>
        <NumberField
          label="Seed"
          name="seed"
          min={0}
          max={2 ** 53 - 1}
          placeholder="random"
          value={value.seed}
          onChange={(seed) => change({ seed })}
        />
        <button type="button" onClick={() => change({ seed: undefined })} disabled={value.seed === undefined}>
          Random
        </button>
        <button
          type="button"
          onClick={() => change({ seed: lastSeed.value })}
          disabled={lastSeed.value === undefined || lastSeed.value === value.seed}
        >
          Reuse
        </button>
      </fieldset>
    </section>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly name: string;
  readonly value: string;
  /** What it means that nothing is chosen. */
  readonly none: string;
  readonly names: readonly string[];
  readonly disabled?: boolean;
  onChange(value: string): void;
}

function Choice({ label, name, value, none, names, disabled = false, onChange }: ChoiceProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select
        name={name}
        value={value}
        disabled={disabled}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
      >
        <option value="">{none}</option>
        {names.map((each) => (
          <option key={each} value={each}>
            {each.replaceAll('_', ' ')}
          </option>
        ))}
      </select>
    </label>
  );
}
