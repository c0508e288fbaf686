// What changes the model: LoRAs, hypernetworks and embeddings, each with a slider and what became of its file.
import type { AdapterInfo } from '@emulsion/pipelines';
import {
  adapterEndings,
  adapters,
  addAdapters,
  addFewSteps,
  removeAdapter,
  setStrength,
} from '../adapters.ts';
import { model } from '../studio.ts';

export function AdaptersPanel() {
  const ready = model.value?.state === 'ready';
  const canBeQuick =
    model.value?.state === 'ready' &&
    model.value.isEmbedded &&
    !adapters.value.some(({ name }) => name === 'few-step');
  return (
    <section class="panel" aria-labelledby="adapters-title">
      <h2 id="adapters-title">Adapters</h2>
      {adapters.value.map((info) => (
        <Adapter key={info.name} {...info} />
      ))}
      <label class="field">
        <span>Add LoRAs, hypernetworks or embeddings</span>
        <input
          type="file"
          name="adapters"
          multiple
          accept={adapterEndings.join()}
          disabled={!ready}
          onChange={({ currentTarget }) => {
            // The list of the field empties with it.
            void addAdapters([...(currentTarget.files ?? [])]);
            currentTarget.value = '';
          }}
        />
      </label>
      {canBeQuick && (
        <button type="button" onClick={() => void addFewSteps()}>
          Use few steps
        </button>
      )}
      <p class="hint">Files can also be dropped on the page.</p>
    </section>
  );
}

function Adapter({ name, kind, strength, report, notes }: AdapterInfo) {
  // A page sets numbers alone.
  const value = typeof strength === 'number' ? strength : 1;
  const { matched, unmatched, unused, ranks, targets, baseModel } = report;
  return (
    <div class="adapter">
      <label class="field">
        <span>
          {name}: {value.toFixed(2)}
        </span>
        <input
          type="range"
          name={`strength of ${name}`}
          min="-1"
          max="2"
          step="0.05"
          value={value}
          onInput={({ currentTarget }) => void setStrength(name, currentTarget.valueAsNumber)}
        />
      </label>
      <button type="button" aria-label={`Remove ${name}`} onClick={() => void removeAdapter(name)}>
        Remove
      </button>
      <details class="hint">
        <summary>{kind}</summary>
        <ul>
          <li>{`${matched.length} of ${matched.length + unmatched.length + unused.length} tensors are used.`}</li>
          {targets.length > 0 && <li>{`${targets.length} modules are changed.`}</li>}
          {ranks.length > 0 && <li>{`Rank ${ranks.join(', ')}.`}</li>}
          {baseModel !== undefined && <li>{`The file says that it is for ${baseModel}.`}</li>}
          {[...unmatched, ...unused].map((tensor) => (
            <li key={tensor}>{`Not used: ${tensor}`}</li>
          ))}
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      </details>
    </div>
  );
}
