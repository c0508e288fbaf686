// Where a model comes from, as data that the page can post to its worker.

/** A file with its path in the model's folder; a posted file forgets where it lay. */
export interface PlacedFile {
  readonly path: string;
  readonly file: File;
}

export type ModelSource =
  | { readonly kind: 'embedded'; readonly url: string }
  | { readonly kind: 'hub'; readonly repo: string }
  | { readonly kind: 'file'; readonly file: File }
  | { readonly kind: 'files'; readonly name: string; readonly files: readonly PlacedFile[] };

/** The embedded model, beside the page. */
export const embeddedModel = (): ModelSource => ({
  kind: 'embedded',
  url: new URL(import.meta.env.EMBEDDED_MODEL, document.baseURI).href,
});

/** The LoRA that lets the embedded model paint in few steps. */
export const embeddedFewStepLora = (): string =>
  new URL(`${import.meta.env.EMBEDDED_MODEL}few-step.safetensors`, document.baseURI).href;

/** What the visitor reads. */
export function modelName(source: ModelSource): string {
  switch (source.kind) {
    case 'embedded':
      return 'Emulsion default';
    case 'hub':
      return source.repo;
    case 'file':
      return source.file.name;
    case 'files':
      return source.name;
  }
}
