// The page: what to paint with on one side, the picture and the gallery on the other.
import { useEffect, useState } from 'preact/hooks';
import { addAdapters } from '../adapters.ts';
import { readDrop } from '../dropped.ts';
import { announcement, chooseModel, painting, stop, takeSettings } from '../studio.ts';
import { AdaptersPanel } from './adapters-panel.tsx';
import { DeviceReport } from './device-report.tsx';
import { Easel } from './easel.tsx';
import { Gallery } from './gallery.tsx';
import { ModelChooser } from './model-chooser.tsx';
import { PromptForm } from './prompt-form.tsx';
import { SettingsPanel } from './settings-panel.tsx';

export function App() {
  const dragging = useDrop();
  useEffect(() => {
    const onKeyDown = ({ key }: KeyboardEvent) => {
      if (key === 'Escape' && painting.value) stop();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
  return (
    <>
      <header>
        <img src={new URL('../icon.svg', import.meta.url).href} alt="" width="32" height="32" />
        <h1>Emulsion Studio</h1>
        <p>Pictures from words, on your own machine</p>
      </header>
      <main>
        <div class="controls">
          <PromptForm />
          <SettingsPanel />
          <ModelChooser />
          <AdaptersPanel />
          <DeviceReport />
        </div>
        <Easel />
        <Gallery />
      </main>
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement}
      </p>
      {dragging && (
        <div class="drop-hint" aria-hidden="true">
          Drop a picture to take its settings, a model’s folder to paint with it, or LoRAs to change it
        </div>
      )}
    </>
  );
}

/** Takes what is dropped anywhere on the page. @returns whether something is being dragged over it */
function useDrop(): boolean {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setDragging(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDragging(false);
    };
    const drop = async (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setDragging(false);
      const dropped = await readDrop(event.dataTransfer.items);
      if (dropped?.kind === 'picture') await takeSettings(dropped.file);
      else if (dropped?.kind === 'adapters') await addAdapters(dropped.files);
      else if (dropped) await chooseModel(dropped.source);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return dragging;
}
