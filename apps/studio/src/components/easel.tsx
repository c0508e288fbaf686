// The picture: as it appears, and when it is done.

import type { GalleryPicture } from '../gallery-store.ts';
import { progressText } from '../painting.ts';
import { model, painting, problem, removePicture, shown } from '../studio.ts';
import { useObjectUrl } from './object-url.ts';
import { isSmall, PixelCanvas } from './pixel-canvas.tsx';

export function Easel() {
  return (
    <section class="easel" aria-label="Picture">
      {problem.value && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <Frame />
      {painting.value && <Progress />}
    </section>
  );
}

function Frame() {
  const previews = painting.value?.previews ?? [];
  if (painting.value && previews.length > 0) {
    return (
      <div class="frame" data-state="preview" style={columnsFor(previews.length)}>
        {previews.map((image, index) => (
          <PixelCanvas key={index} image={image} label={`Preview of picture ${index + 1}`} />
        ))}
      </div>
    );
  }
  if (painting.value || shown.value.length === 0) {
    return (
      <div class="frame" data-state="empty">
        <p>{painting.value ? 'Mixing the paint…' : invitation()}</p>
      </div>
    );
  }
  return (
    <div class="frame" data-state="done" style={columnsFor(shown.value.length)}>
      {shown.value.map((picture, index) => (
        <Picture key={picture.id} picture={picture} place={index + 1} />
      ))}
    </div>
  );
}

/** As many columns as rows, or one more. */
const columnsFor = (pictures: number) => ({ '--columns': `${Math.ceil(Math.sqrt(pictures))}` });

const invitation = () =>
  model.value?.state === 'ready'
    ? 'Say what you would like to see, and press Paint.'
    : 'The picture will appear here.';

function Picture({ picture, place }: { readonly picture: GalleryPicture; readonly place: number }) {
  const url = useObjectUrl(picture.png);
  const { prompt, width, height } = picture;
  return (
    <figure>
      <img
        src={url}
        width={width}
        height={height}
        alt={prompt || 'Untitled picture'}
        data-small={isSmall(width)}
      />
      <figcaption>
        <a
          class="button"
          href={url}
          download={`${fileName(prompt)}.png`}
          aria-label={`Save picture ${place}`}
        >
          Save
        </a>
        <button
          type="button"
          aria-label={`Delete picture ${place}`}
          onClick={() => void removePicture(picture)}
        >
          Delete
        </button>
      </figcaption>
    </figure>
  );
}

const fileName = (prompt: string) =>
  prompt
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .slice(0, 60) || 'picture';

function Progress() {
  const current = painting.value!; // it is shown while there is one
  return (
    <div class="progress">
      <progress value={current.progress} aria-label="Painting" />
      <span>{progressText(current)}</span>
    </div>
  );
}
