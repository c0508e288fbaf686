import { modelDefaults, modelFiles } from '@emulsion/default-model/files';
import { encodePng } from '@emulsion/image';
import { loadPipeline } from '@emulsion/pipelines';
import { fetchFolder } from '@emulsion/runtime-web';

const pipeline = await loadPipeline(fetchFolder(modelFiles));
const { images } = await pipeline({ ...modelDefaults, prompt: 'red apple, noto style', seed: 7 });
const picture = new Image();
picture.src = URL.createObjectURL(new Blob([encodePng(images[0])], { type: 'image/png' }));
document.body.append(picture);
