import { expect, test } from 'vitest';
import { openDiffusersFolder } from './diffusers-folder.ts';
import { MissingFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';

const open = (json: unknown) =>
  openDiffusersFolder(memoryFolder({ 'model_index.json': JSON.stringify(json) }, 'model'));

test('components and options are told apart, and what a model lacks is left out', async () => {
  const opened = await open({
    _class_name: 'StableDiffusionPipeline',
    _diffusers_version: '0.40.0',
    unet: ['diffusers', 'UNet2DConditionModel'],
    text_encoder: ['transformers', 'CLIPTextModel'],
    safety_checker: [null, null],
    requires_safety_checker: false,
    force_zeros_for_empty_prompt: true,
    image_encoder: null,
  });
  expect(opened.className).toBe('StableDiffusionPipeline');
  expect(opened.components).toEqual({
    unet: { library: 'diffusers', className: 'UNet2DConditionModel' },
    text_encoder: { library: 'transformers', className: 'CLIPTextModel' },
  });
  expect(opened.options).toEqual({
    requires_safety_checker: false,
    force_zeros_for_empty_prompt: true,
    image_encoder: null,
  });
  expect(opened.folder.name).toBe('model');
});

test('names that objects have anyway are names like any other', async () => {
  const folder = memoryFolder({
    'model_index.json': '{"_class_name": "P", "__proto__": ["a", "b"], "constructor": ["c", "d"]}',
  });
  const { components } = await openDiffusersFolder(folder);
  expect(Object.keys(components)).toEqual(['constructor']);
});

test('a folder without the file is no diffusers folder', async () => {
  await expect(openDiffusersFolder(memoryFolder({}, 'model'))).rejects.toSatisfy((error) =>
    MissingFileError.is(error),
  );
  await expect(openDiffusersFolder(memoryFolder({}, 'model'))).rejects.toThrow(
    'model: there is no file "model_index.json". Give the folder of a model in diffusers layout.',
  );
});

test('a file that names no pipeline, or half a component, is refused', async () => {
  for (const json of [null, [], 5, {}, { _class_name: 3 }]) {
    await expect(open(json)).rejects.toThrow(
      'model/model_index.json: it has no "_class_name" with the name of a pipeline. Download or save the file again.',
    );
  }
  for (const pair of [
    ['diffusers', null],
    [null, 'UNet'],
    ['diffusers', 5],
  ]) {
    await expect(open({ _class_name: 'P', unet: pair })).rejects.toThrow(
      'model/model_index.json: its "unet" is not a pair of a library and a class. Download or save the file again.',
    );
  }
});
