// What paints: the embedded model, one from the hub, or one of the visitor's own.
import { useState } from 'preact/hooks';
import { pickedFolder } from '../dropped.ts';
import { embeddedModel } from '../model-source.ts';
import { chooseModel, model } from '../studio.ts';

export function ModelChooser() {
  const [repo, setRepo] = useState('');
  const load = (event: Event) => {
    event.preventDefault();
    if (repo.trim() !== '') void chooseModel({ kind: 'hub', repo: repo.trim() });
  };
  return (
    <section class="panel" aria-labelledby="model-title">
      <h2 id="model-title">Model</h2>
      <ModelState />
      <details>
        <summary>Choose another</summary>
        <button type="button" onClick={() => void chooseModel(embeddedModel())}>
          The embedded one
        </button>
        <form class="inline" onSubmit={load}>
          <label class="field">
            <span>From the Hugging Face hub</span>
            <input
              name="repo"
              value={repo}
              placeholder="owner/name"
              autocapitalize="off"
              spellcheck={false}
              onInput={({ currentTarget }) => setRepo(currentTarget.value)}
            />
          </label>
          <button type="submit">Load</button>
        </form>
        <FolderPicker />
        <label class="field">
          <span>A file of yours</span>
          <input
            type="file"
            accept=".safetensors,.ckpt,.pt"
            onChange={({ currentTarget }) => {
              const [file] = currentTarget.files ?? [];
              if (file) void chooseModel({ kind: 'file', file });
            }}
          />
        </label>
        <p class="hint">
          A model’s folder in diffusers’ layout, which can also be dropped on the page, or a Stable Diffusion
          in one file.
        </p>
      </details>
    </section>
  );
}

function ModelState() {
  const { value } = model;
  if (!value) return null;
  switch (value.state) {
    case 'loading':
      return (
        <div class="progress">
          <progress value={value.progress || undefined} aria-label={`Loading ${value.name}`} />
          <span>
            {value.name}
            {value.part && `: ${value.part.replaceAll('_', ' ')}`}
          </span>
        </div>
      );
    case 'ready':
      return (
        <>
          <p>{value.name}</p>
          {value.pipeline.notes.map((note) => (
            <p key={note} class="hint">
              {note}
            </p>
          ))}
        </>
      );
    case 'failed':
      return (
        <p class="problem" role="alert">
          {value.message}
        </p>
      );
  }
}

function FolderPicker() {
  return (
    <label class="field">
      <span>A folder of yours</span>
      <input
        type="file"
        // Preact's types do not know the attribute, browsers do.
        ref={(input) => input?.setAttribute('webkitdirectory', '')}
        onChange={({ currentTarget }) => {
          const source = pickedFolder(currentTarget.files ?? []);
          if (source) void chooseModel(source);
        }}
      />
    </label>
  );
}
