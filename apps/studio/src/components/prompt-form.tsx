// What is to be painted, and the button that paints it.
import { change, model, paint, painting, settings, stop } from '../studio.ts';

/** The form's id: fields elsewhere on the page that must be right for a painting name it. */
export const paintForm = 'paint';

export function PromptForm() {
  const { prompt, negativePrompt } = settings.value;
  const submit = (event: Event) => {
    event.preventDefault();
    void paint();
  };
  const paintOnEnter = (event: KeyboardEvent & { currentTarget: HTMLTextAreaElement }) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.currentTarget.form?.requestSubmit();
  };
  return (
    <form id={paintForm} class="panel prompt" aria-label="Prompt" onSubmit={submit}>
      <label class="field">
        <span>Prompt</span>
        <textarea
          name="prompt"
          rows={2}
          value={prompt}
          placeholder="red apple, noto style"
          aria-keyshortcuts="Control+Enter"
          onInput={({ currentTarget }) => change({ prompt: currentTarget.value })}
          onKeyDown={paintOnEnter}
        />
      </label>
      <label class="field">
        <span>Without</span>
        <textarea
          name="negativePrompt"
          rows={1}
          value={negativePrompt}
          placeholder="what it is led away from"
          onInput={({ currentTarget }) => change({ negativePrompt: currentTarget.value })}
          onKeyDown={paintOnEnter}
        />
      </label>
      <PaintButton />
    </form>
  );
}

function PaintButton() {
  if (painting.value) {
    return (
      <button key="stop" type="button" class="primary stop" onClick={stop} aria-keyshortcuts="Escape">
        Stop
      </button>
    );
  }
  const state = model.value?.state;
  return (
    <button key="paint" type="submit" class="primary" disabled={state !== 'ready'}>
      {state === 'loading' || state === undefined ? 'Loading the model…' : 'Paint'}
    </button>
  );
}
