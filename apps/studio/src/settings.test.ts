import { schedulerAliases, spacingAliases } from '@emulsion/schedulers';
import { expect, test } from 'vitest';
import { defaultSettings, type Settings, schedulerOf, settingsFrom, settingsText } from './settings.ts';

const settings: Settings = {
  prompt: 'a red fox,\nin snow: 4k',
  negativePrompt: 'blurry',
  numInferenceSteps: 7,
  guidanceScale: 2.5,
  sampler: 'dpm++2m',
  spacing: 'karras',
  seed: 0,
  width: 96,
  height: 64,
  numImages: 2,
};
const picture = { seed: 0, width: 96, height: 64, index: 1, model: 'm', ownScheduler: 'DDIMScheduler' };

test('a picture gives back the settings that it was painted with', () => {
  expect(settingsFrom(settingsText(settings, picture))).toEqual(settings);
});

test('with the sampler of the model, the class of that is noted, and read as the own again', () => {
  const own = { ...settings, sampler: '', spacing: '' };
  expect(schedulerOf(own)).toBeUndefined();
  const text = settingsText(own, picture);
  expect(text).toContain('Sampler: DDIMScheduler');
  expect(settingsFrom(text)).toEqual(own);
});

test('every sampler and spacing of the table comes back, or one that is the same', () => {
  for (const { name: sampler, config } of schedulerAliases) {
    for (const spacing of ['', ...spacingAliases.map(({ name }) => name)]) {
      const back = settingsFrom(settingsText({ ...settings, sampler, spacing }, picture));
      const found = schedulerAliases.find(({ name }) => name === back.sampler);
      expect({ ...found?.config, spacing: back.spacing }).toEqual({ ...config, spacing });
    }
  }
});

test('what A1111 wrote is understood', () => {
  const text = [
    'a lighthouse',
    'Negative prompt: fog',
    'Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 512x768, Model hash: 6ce0161689',
  ].join('\n');
  expect(settingsFrom(text)).toEqual({
    ...defaultSettings,
    prompt: 'a lighthouse',
    negativePrompt: 'fog',
    numInferenceSteps: 20,
    guidanceScale: 7,
    sampler: 'dpm++2m',
    spacing: 'karras',
    seed: 42,
    width: 512,
    height: 768,
  });
});

test('A1111’s type of schedule is the spacing, and what it leaves to the sampler is the sampler’s own', () => {
  const spaced = (type: string) => {
    const { sampler, spacing } = settingsFrom(`x\nSteps: 20, Sampler: DPM++ 2M, Schedule type: ${type}`);
    return [sampler, spacing];
  };
  expect(spaced('Karras')).toEqual(['dpm++2m', 'karras']);
  expect(spaced('SGM Uniform')).toEqual(['dpm++2m', 'sgm_uniform']);
  expect(spaced('Automatic')).toEqual(['dpm++2m', '']);
});

test('a text without settings changes the prompt alone', () => {
  expect(settingsFrom('just words', settings)).toEqual({
    ...settings,
    prompt: 'just words',
    negativePrompt: '',
    numImages: 1,
  });
});
