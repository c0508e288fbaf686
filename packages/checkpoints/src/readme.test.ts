/// <reference types="node" />
import { readFileSync } from 'node:fs';
import * as tensorPackage from '@emulsion/tensor';
import { expect, test } from 'vitest';
import * as checkpoints from './index.ts';

const modules = { '@emulsion/checkpoints': checkpoints, '@emulsion/tensor': tensorPackage };

test("the README's program gives what its comments say", async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const program = /```ts\n(.*?)```/s
    .exec(readme)![1]!
    .replaceAll(/^import (\{.*?\}) from ('.*?');$/gm, 'const $1 = modules[$2];');
  const run = new Function(
    'modules',
    `return (async () => { ${program}; return { folder, bias, readTensor }; })()`,
  );
  // What the program declares; its comments are the assertions below.
  const { folder, bias, readTensor } = (await run(modules)) as {
    folder: checkpoints.Folder;
    bias: checkpoints.Weight;
    readTensor: typeof checkpoints.readTensor;
  };
  expect(bias).toMatchObject({ dtype: 'float32', dims: [2], range: { offset: 80, length: 8 } });
  expect((await readTensor(folder, bias)).data).toEqual(Float32Array.of(0.5, -1));
});
