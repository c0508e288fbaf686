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

test('a last line with fewer than three settings belongs to the prompt', () => {
  expect(parseGenerationParameters('a fox\nart: deco, mood: dark')).toEqual({
    prompt: 'a fox\nart: deco, mood: dark',
    negativePrompt: '',
    parameters: {},
  });
});
