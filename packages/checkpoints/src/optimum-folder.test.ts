import { expect, test } from 'vitest';
import { openDiffusersFolder } from './diffusers-folder.ts';
import { memoryFolder } from './memory-folder.ts';

const files = (json: unknown) => ({
  'model_index.json': JSON.stringify(json),
  'unet/config.json': 'unet',
  'vae_encoder/config.json': 'encoder',
  'vae_encoder/model.onnx': 'encoder',
  'vae_decoder/config.json': 'decoder',
  'vae_decoder/model.onnx': 'decoder',
  'vae_decoder/model.onnx_data': 'weights',
});
const open = (json: unknown) => openDiffusersFolder(memoryFolder(files(json), 'model'));

test('the halves of an exported autoencoder are folders of one', async () => {
  const { folder } = await open({ _class_name: 'StableDiffusionPipeline' });
  const read = async (from: typeof folder, path: string) => new TextDecoder().decode(await from.read(path));
  const vae = folder.subfolder('vae');
  expect(vae.name).toBe('model/vae');
  expect(await read(vae, 'config.json')).toBe('decoder');
  expect(await read(vae, 'encoder/model.onnx')).toBe('encoder');
  expect(await read(vae.subfolder('decoder'), 'model.onnx_data')).toBe('weights');
  expect(await read(folder, 'vae/decoder/model.onnx')).toBe('decoder');
  expect(await read(folder.subfolder('unet'), 'config.json')).toBe('unet');
  expect(await vae.has('diffusion_pytorch_model.safetensors')).toBe(false);
  expect(await vae.size('decoder/model.onnx_data')).toBe(7);
  expect(await vae.locate('decoder/model.onnx_data')).toMatchObject({ kind: 'bytes' });
  await expect(vae.read('../unet/config.json')).rejects.toThrow('is not a path inside this folder');
});

test('exported classes are those that were exported', async () => {
  for (const [pipeline, component] of [
    ['ORTStableDiffusionXLPipeline', ['optimum.onnxruntime.modeling_diffusion', 'ORTModelUnet']],
    ['OnnxStableDiffusionXLPipeline', ['diffusers', 'OnnxRuntimeModel']],
  ]) {
    const opened = await open({
      _class_name: pipeline,
      scheduler: ['diffusers', 'EulerDiscreteScheduler'],
      unet: component,
      vae_encoder: component,
      vae_decoder: component,
      text_encoder: component,
      text_encoder_2: component,
      tokenizer: ['transformers', 'CLIPTokenizer'],
    });
    expect(opened.className).toBe('StableDiffusionXLPipeline');
    expect(
      Object.fromEntries(Object.entries(opened.components).map(([name, c]) => [name, c.className])),
    ).toEqual({
      scheduler: 'EulerDiscreteScheduler',
      unet: 'UNet2DConditionModel',
      vae: 'AutoencoderKL',
      text_encoder: 'CLIPTextModel',
      text_encoder_2: 'CLIPTextModelWithProjection',
      tokenizer: 'CLIPTokenizer',
    });
  }
});
