import { expect, test } from 'vitest';
import { formatGenerationParameters, parseGenerationParameters } from './generation-parameters.ts';

const settings = { Steps: '20', Sampler: 'Euler a', 'CFG scale': '7.5', Seed: '0', Size: '512x768' };

test('settings survive the round trip: lines, commas, colons and quotes', () => {
  for (const [prompt, negativePrompt] of [
    ['a fox', ''],
    ['a fox,\nred: "very" red', 'blurry\nlow quality, Steps: 3'],
    ['', 'everything'],
    ['🦊', '一'],
  ] as const) {
    const parameters = { ...settings, Model: 'a "b", c: d', Note: 'two\nlines' };
    const given = { prompt, negativePrompt, parameters };
    expect(parseGenerationParameters(formatGenerationParameters(given))).toEqual(given);
  }
});

test('the text is the one that A1111 writes', () => {
  expect(
    formatGenerationParameters({ prompt: 'a fox', negativePrompt: 'blurry', parameters: settings }),
  ).toBe(
    'a fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 0, Size: 512x768',
  );
});

test('the negative prompt begins at its mark, with spaces around it or none', () => {
  for (const line of [
    'Negative prompt:blurry',
    '  Negative prompt:  blurry ',
    '\tNegative prompt: blurry\r',
  ]) {
    const text = `a fox\n${line}\nlow quality\nSteps: 20, Sampler: Euler a, Seed: 0`;
    const { prompt, negativePrompt } = parseGenerationParameters(text);
    expect(prompt).toBe('a fox');
    expect(negativePrompt.split(/\s*\n/)).toEqual(['blurry', 'low quality']);
  }
  expect(parseGenerationParameters('Negative prompt:')).toMatchObject({ prompt: '', negativePrompt: '' });
});

test('a last line with fewer than three settings belongs to the prompt', () => {
  expect(parseGenerationParameters('a fox\nart: deco, mood: dark')).toEqual({
    prompt: 'a fox\nart: deco, mood: dark',
    negativePrompt: '',
    parameters: {},
  });
});

test('a text with quoted values, dates and versions is taken apart at the right commas', () => {
  const text =
    'portrait, <lora:film:0.8>\nNegative prompt: blurry, (bad:1.3)\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Karras, ' +
    'CFG scale: 7, Seed: 123456789012345, Size: 512x768, Model hash: 6ce0161689, Denoising strength: 0.5, ' +
    'Hires prompt: "sharp, \\"very\\" sharp: eyes", Lora hashes: "film: 0f1e2d, grain: 3c4b5a", Version: v1.10.1';
  const { prompt, negativePrompt, parameters } = parseGenerationParameters(text);
  expect({ prompt, negativePrompt }).toEqual({
    prompt: 'portrait, <lora:film:0.8>',
    negativePrompt: 'blurry, (bad:1.3)',
  });
  expect(parameters).toEqual({
    Steps: '25',
    Sampler: 'DPM++ 2M',
    'Schedule type': 'Karras',
    'CFG scale': '7',
    Seed: '123456789012345',
    Size: '512x768',
    'Model hash': '6ce0161689',
    'Denoising strength': '0.5',
    'Hires prompt': 'sharp, "very" sharp: eyes',
    'Lora hashes': 'film: 0f1e2d, grain: 3c4b5a',
    Version: 'v1.10.1',
  });
});

test('a prompt of ten thousand words is read in no time', () => {
  const prompt = Array.from({ length: 10_000 }, (_, i) => `word${i}`).join(' ');
  const start = performance.now();
  expect(parseGenerationParameters(prompt).prompt).toBe(prompt);
  expect(performance.now() - start).toBeLessThan(200);
});
