// A model in a single file, with the tokenizer that such files lack; a page that never meets one does without.
import { type Folder, openSingleFile } from '@emulsion/checkpoints';
import { openHubFolder } from '@emulsion/hub';
import { openFolder } from '@emulsion/runtime-web';

/** The model on the hub whose tokenizer all Stable Diffusions share. */
const clip = 'openai/clip-vit-large-patch14';

/** Opens a file as a model. @throws the errors of `openSingleFile` and `openHubFolder` */
export const openModelFile = async (file: File, signal: AbortSignal): Promise<Folder> =>
  openSingleFile(openFolder([file], 'files'), file.name, {
    tokenizer: () => openHubFolder(clip, { signal }),
  });
