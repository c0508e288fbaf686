// All pictures that were painted here.
import type { GalleryPicture } from '../gallery-store.ts';
import { gallery, shown, showPicture } from '../studio.ts';
import { useObjectUrl } from './object-url.ts';

export function Gallery() {
  const pictures = gallery.value;
  return (
    <section class="gallery" aria-labelledby="gallery-title">
      <h2 id="gallery-title">Gallery</h2>
      {pictures.length === 0 ? (
        <p class="hint">
          What you paint is kept here, in this browser. A picture that you choose gives its settings back.
        </p>
      ) : (
        <ul>
          {pictures.map((picture) => (
            <li key={picture.id}>
              <Thumbnail picture={picture} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Thumbnail({ picture }: { readonly picture: GalleryPicture }) {
  const url = useObjectUrl(picture.png);
  const chosen = shown.value.some(({ id }) => id === picture.id);
  return (
    <button
      type="button"
      aria-pressed={chosen}
      title={picture.prompt}
      onClick={() => void showPicture(picture)}
    >
      <img
        src={url}
        width={picture.width}
        height={picture.height}
        alt={picture.prompt || 'Untitled picture'}
      />
    </button>
  );
}
