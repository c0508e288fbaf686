import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { decodePng, encodePng } from '@emulsion/image';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type HubServer,
  modelFromFolder,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';
import { type OpenedStudio, openStudio } from './open-studio.ts';

// One visit, in the order in which a visitor does things: each test goes on where the one before ended.
const fixtures = fileURLToPath(new URL('../../../fixtures', import.meta.url));
const sd1 = join(fixtures, 'golden/open/models/sd1');
const clip = fileURLToPath(new URL('../../../fixtures/golden/clip-tokenizer', import.meta.url));
let hub: HubServer;
let studio: OpenedStudio;
let page: Page;
beforeAll(async () => {
  hub = await startHubServer({
    'painters/sd1': await modelFromFolder(sd1),
    'openai/clip-vit-large-patch14': await modelFromFolder(clip),
  });
  studio = await openStudio({ hub: hub.endpoint });
  ({ page } = studio);
  page.setDefaultTimeout(20_000);
});
afterAll(async () => {
  await studio?.close();
  await hub?.close();
});

const field = (name: string) => page.getByLabel(name, { exact: true });
const choice = (name: string) => page.getByRole('combobox', { name });
const button = (name: string) => page.getByRole('button', { name, exact: true });
const pictures = () => page.locator('.frame figure img');
const gallery = () => page.locator('.gallery li');
const status = () => page.getByRole('status').textContent();
const waitForStatus = (text: RegExp) => expect.poll(status, { timeout: 60_000 }).toMatch(text);

/** The settings in the file of the first picture on the easel. */
async function settingsText(): Promise<string> {
  const bytes = await pictures()
    .first()
    .evaluate(async (image: HTMLImageElement) => [
      ...new Uint8Array(await (await fetch(image.src)).arrayBuffer()),
    ]);
  return decodePng(Uint8Array.from(bytes)).text.parameters ?? '';
}

/** Opens the page's first model, or says why it could not. */
async function waitForModel(name: string): Promise<void> {
  await expect.poll(status, { timeout: 60_000 }).toMatch(/ is ready$| could not be loaded$/);
  expect(await page.getByRole('alert').allTextContents()).toEqual([]);
  expect(await status()).toBe(`${name} is ready`);
}

test('the page opens with the embedded model, and says what it computes with and why', async () => {
  await waitForModel('Emulsion default');
  const device = page.getByRole('region', { name: 'Device' });
  expect(await page.getByRole('region', { name: 'Model' }).textContent()).toContain('Emulsion default');
  expect(await device.textContent()).toMatch(
    /Processor[\s\S]*WebGPU is passed over[\s\S]*WebAssembly with \d threads?\./,
  );
  expect(await field('Width').getAttribute('placeholder')).toBe('128');
  await expect
    .poll(() => device.textContent(), { timeout: 30_000 })
    .toMatch(/\d\d MB of WebAssembly’s memory are in use/);
  await studio.screenshot('1-open');
});

test('a picture appears step by step', async () => {
  await page.getByRole('textbox', { name: 'Prompt' }).fill('red apple, noto style');
  await field('Steps').fill('4');
  await field('Seed').fill('7');
  // Every preview that is drawn is noted down.
  await page.evaluate(() => {
    const seen = new Set<string>();
    Object.assign(window, { seen });
    const look = () => {
      const canvas = document.querySelector<HTMLCanvasElement>('.frame canvas');
      if (canvas) seen.add(canvas.toDataURL());
      requestAnimationFrame(look);
    };
    look();
  });
  await button('Paint').click();
  await page.getByRole('img', { name: 'Preview of picture 1' }).waitFor();
  await studio.screenshot('2-preview');
  await waitForStatus(/^The picture is done, in /);
  expect(
    await page.evaluate(() => (window as unknown as { seen: Set<string> }).seen.size),
  ).toBeGreaterThanOrEqual(3);
  expect(await pictures().count()).toBe(1);
  const colours = await pictures().evaluate((image: HTMLImageElement) => {
    const canvas = new OffscreenCanvas(128, 128);
    const context = canvas.getContext('2d')!;
    context.drawImage(image, 0, 0);
    const [red = 0, green = 0, blue = 0] = context.getImageData(64, 80, 1, 1).data;
    return { red, green, blue };
  });
  expect(colours.red, 'an apple is red').toBeGreaterThan(Math.max(colours.green, colours.blue) + 50);
  expect(await settingsText()).toMatch(/^red apple, noto style\nSteps: 4, .*Seed: 7, Size: 128x128/);
  await studio.screenshot('3-done');
});

test('until then, the page has downloaded at most 150 kB of JavaScript, without onnxruntime', async () => {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url));
  const scripts = studio.scripts.filter((path) => !path.includes('/ort.'));
  expect(scripts.some((path) => path.includes('/worker-'))).toBe(true);
  const sizes = await Promise.all(scripts.map(async (path) => gzipSync(await readFile(dist + path)).length));
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(150_000);
});

test('a sampler that finds its steps on the way shows how far it is', async () => {
  await choice('Sampler').selectOption('dpm_adaptive');
  await button('Paint').click();
  await page.getByText(/^Step \d+, .* left$/).waitFor();
  const progress = page.getByRole('progressbar', { name: 'Painting' });
  expect(await progress.evaluate((bar: HTMLProgressElement) => bar.position)).toBeLessThan(1);
  await waitForStatus(/^The picture is done, in /);
  await choice('Sampler').selectOption('');
  await button('Delete picture 1').click();
});

test('a painting is stopped half way, by the button and by Escape, and the next one is painted', async () => {
  await field('Steps').fill('500');
  for (const stop of [() => button('Stop').click(), () => page.keyboard.press('Escape')]) {
    await button('Paint').click();
    await page.getByText(/^Step [2-9] of 500, .* left$/).waitFor();
    await stop();
    await waitForStatus(/^Stopped$/);
    expect(await gallery().count()).toBe(1);
  }
  await field('Steps').fill('2');
  await field('Pictures').fill('2');
  await choice('Sampler').selectOption('euler');
  await choice('Noise levels').selectOption('karras');
  await page.getByRole('textbox', { name: 'Prompt' }).fill('cat face, noto style');
  await page.keyboard.press('Control+Enter');
  await waitForStatus(/^The pictures are done, in /);
  expect(await pictures().count()).toBe(2);
  expect(await gallery().count()).toBe(3);
});

test('the gallery is there after a reload, and a picture that is chosen gives its settings back', async () => {
  await page.reload();
  await waitForModel('Emulsion default');
  expect(await gallery().count()).toBe(3);
  await gallery().last().getByRole('button').click();
  await expect
    .poll(() => page.getByRole('textbox', { name: 'Prompt' }).inputValue())
    .toBe('red apple, noto style');
  expect(await choice('Sampler').inputValue()).toBe('');
  expect(await field('Pictures').inputValue()).toBe('1');
  await studio.screenshot('4-gallery');
});

test('a picture that is dropped on the page gives its settings back, and they paint it again', async () => {
  const bytes = await pictures().evaluate(async (image: HTMLImageElement) => [
    ...new Uint8Array(await (await fetch(image.src)).arrayBuffer()),
  ]);
  await page.getByRole('textbox', { name: 'Prompt' }).fill('something else');
  await field('Steps').fill('9');
  await field('Seed').fill('');
  const drop = await page.evaluateHandle((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(data)], 'apple.png', { type: 'image/png' }));
    return transfer;
  }, bytes);
  await page.dispatchEvent('main', 'dragover', { dataTransfer: drop });
  await page.getByText('Drop a picture').waitFor();
  await page.dispatchEvent('main', 'drop', { dataTransfer: drop });
  await waitForStatus(/^The settings of the picture are in the form$/);
  expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('red apple, noto style');
  expect(await field('Steps').inputValue()).toBe('4');
  expect(await field('Seed').inputValue()).toBe('7');
  await button('Paint').click();
  await waitForStatus(/^The picture is done, in /);
  const again = await pictures().evaluate(async (image: HTMLImageElement) => [
    ...new Uint8Array(await (await fetch(image.src)).arrayBuffer()),
  ]);
  expect(again).toEqual(bytes);
});

test('a file that is no picture, and one without settings, are refused in words', async () => {
  const drop = async (content: number[]) => {
    const transfer = await page.evaluateHandle((data) => {
      const made = new DataTransfer();
      made.items.add(new File([Uint8Array.from(data)], 'file.png'));
      return made;
    }, content);
    await page.dispatchEvent('main', 'drop', { dataTransfer: transfer });
  };
  await drop([1, 2, 3]);
  await page.getByRole('alert').getByText('the bytes are not a PNG file').waitFor();
  await drop([...encodePng({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) })]);
  await page.getByRole('alert').getByText('This picture does not say how it was made.').waitFor();
});

test('a size that the model cannot paint is refused by the form', async () => {
  const painted = await gallery().count();
  const validity = (name: 'stepMismatch' | 'rangeOverflow') =>
    field('Width').evaluate((input: HTMLInputElement, which) => input.validity[which], name);
  await field('Width').fill('66');
  await button('Paint').click();
  expect(await validity('stepMismatch')).toBe(true);
  await field('Width').fill('80000');
  await button('Paint').click();
  expect(await validity('rangeOverflow')).toBe(true);
  expect(await button('Stop').count()).toBe(0);
  expect(await gallery().count()).toBe(painted);
  await field('Width').fill('');
});

test('a folder of one’s own takes the place of the model', async () => {
  await page.getByText('Choose another').click();
  await field('A folder of yours').setInputFiles(sd1);
  await waitForModel('sd1');
  await field('Steps').fill('2');
  await button('Paint').click();
  await waitForStatus(/^The picture is done, in /);
  expect(await settingsText()).toContain('Model: sd1');
  await page.getByRole('button', { name: 'The embedded one' }).click();
  await waitForModel('Emulsion default');
});

test('files of adapters change the model, each with a slider and a report', async () => {
  await field('A folder of yours').setInputFiles(sd1);
  await waitForModel('sd1');
  await field('Steps').fill('2');
  await field('Seed').fill('5');
  const paint = async () => {
    await button('Paint').click();
    await waitForStatus(/^The picture is done, in /);
    return pictures()
      .first()
      .evaluate(async (image: HTMLImageElement) => {
        const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
        return bytes.join();
      });
  };
  const plain = await paint();
  const file = 'golden/open/adapters/files/lora_kohya.safetensors';
  await field('Add LoRAs, hypernetworks or embeddings').setInputFiles(join(fixtures, file));
  await waitForStatus(/^lora_kohya changes the model$/);
  expect(await page.getByRole('region', { name: 'Adapters' }).textContent()).toMatch(
    /lora_kohya: 1\.00[\s\S]*\d+ modules are changed\.Rank 4\./,
  );
  expect(await paint()).not.toBe(plain);
  await page.getByRole('slider').fill('0');
  await page.getByText('lora_kohya: 0.00').waitFor();
  expect(await paint()).toBe(plain);
  await studio.screenshot('adapters');
  const damaged = { name: 'cut.safetensors', mimeType: '', buffer: Buffer.from('no header') };
  await field('Add LoRAs, hypernetworks or embeddings').setInputFiles(damaged);
  await page
    .getByText(/cut\.safetensors/)
    .first()
    .waitFor();
  await button('Remove lora_kohya').click();
  await waitForStatus(/^lora_kohya is gone$/);
  expect(await paint()).toBe(plain);
  const several = ['lora_kohya', 'lora_old_diffusers'];
  await field('Add LoRAs, hypernetworks or embeddings').setInputFiles(
    several.map((name) => join(fixtures, `golden/open/adapters/files/${name}.safetensors`)),
  );
  for (const name of several) await button(`Remove ${name}`).waitFor();
  await page.getByRole('button', { name: 'The embedded one' }).click();
  await waitForModel('Emulsion default');
});

test('the embedded model paints in few steps with the LoRA that comes with it', async () => {
  const before = { steps: await field('Steps').inputValue(), scale: await field('Guidance').inputValue() };
  await button('Use few steps').click();
  await waitForStatus(/^The embedded model paints in 2 steps now$/);
  await button('Remove few-step').waitFor();
  expect(await button('Use few steps').count()).toBe(0);
  await button('Paint').click();
  await waitForStatus(/^The picture is done, in /);
  expect(await settingsText()).toMatch(/Steps: 2, Sampler: lcm, CFG scale: 1,/);
  await studio.screenshot('few-steps');
  await button('Delete picture 1').click();
  await button('Remove few-step').click();
  await button('Use few steps').waitFor();
  await choice('Sampler').selectOption('');
  await field('Steps').fill(before.steps);
  await field('Guidance').fill(before.scale);
});

test('a picture that the browser cannot keep is shown, and it is said that it is not kept', async () => {
  const other = await studio.context.newPage();
  await other.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('There is no room.', 'QuotaExceededError');
    };
  });
  await other.goto(studio.url);
  const said = () => other.getByRole('status').textContent();
  await expect.poll(said, { timeout: 60_000 }).toBe('Emulsion default is ready');
  await other.getByLabel('Steps', { exact: true }).fill('2');
  await other.getByRole('button', { name: 'Paint', exact: true }).click();
  await expect.poll(said, { timeout: 60_000 }).toMatch(/^The picture is done, in /);
  expect(await other.locator('.frame figure img').count()).toBe(1);
  await other
    .getByRole('alert')
    .getByText(
      'The picture cannot be kept in the gallery: There is no room. Save it before you close the page.',
    )
    .waitFor();
  await other.getByRole('button', { name: 'Delete picture 1' }).click();
  await expect.poll(() => other.locator('.gallery li').count()).toBe(0);
  await other.close();
});

test('what is no model is refused in words, and the embedded one is there again', async () => {
  const failure = page.getByRole('region', { name: 'Model' }).getByRole('alert');
  const text = { mimeType: 'text/plain', buffer: Buffer.from('These are notes, not weights.') };
  await field('A file of yours').setInputFiles({ name: 'notes.safetensors', ...text });
  await waitForStatus(/^notes\.safetensors could not be loaded$/);
  expect(await failure.textContent()).toMatch(/notes\.safetensors.*\./);
  await page.getByRole('textbox', { name: 'From the Hugging Face hub' }).fill('painters/nobody');
  await button('Load').click();
  await waitForStatus(/^painters\/nobody could not be loaded$/);
  expect(await failure.textContent()).toContain('painters/nobody');
  await page.getByRole('button', { name: 'The embedded one' }).click();
  await waitForModel('Emulsion default');
  expect(await failure.count()).toBe(0);
});

test('a model of the hub paints, and paints from the cache when the network is lost', async () => {
  const load = async () => {
    await page.getByRole('textbox', { name: 'From the Hugging Face hub' }).fill('painters/sd1');
    await button('Load').click();
    await waitForModel('painters/sd1');
  };
  const paint = async () => {
    await button('Paint').click();
    await waitForStatus(/^The picture is done, in /);
    return pictures().evaluate((image: HTMLImageElement) => image.src);
  };
  await load();
  const online = await paint();
  expect(await settingsText()).toContain('Model: painters/sd1');
  await page.getByRole('button', { name: 'The embedded one' }).click();
  await waitForModel('Emulsion default');

  const asked = hub.requests.length;
  expect(asked).toBeGreaterThan(0);
  await studio.loseNetwork();
  // The page, onnxruntime and the embedded model come from what is kept, too.
  await page.reload();
  await waitForModel('Emulsion default');
  await choice('Sampler').selectOption('unipc');
  await paint();
  await choice('Sampler').selectOption('');
  await page.getByText('Choose another').click();
  await load();
  expect(hub.requests.length).toBe(asked);
  expect(await paint()).not.toBe(online);
  expect(await settingsText()).toContain('Model: painters/sd1');
  await studio.screenshot('5-without-network');
  await studio.findNetwork();
  await page.getByRole('button', { name: 'The embedded one' }).click();
  await waitForModel('Emulsion default');
});

test('everything that can be used has a name, and is reached with the keyboard', async () => {
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('input, select, textarea, button, a')]
      .filter((element) => {
        const labels = 'labels' in element ? (element.labels as NodeListOf<HTMLElement> | null) : null;
        const name = element.ariaLabel ?? element.textContent ?? '';
        const inner = element.querySelector('img')?.alt ?? '';
        return !labels?.length && name.trim() === '' && inner === '';
      })
      .map(({ outerHTML }) => outerHTML),
  );
  expect(nameless).toEqual([]);
  await page.getByRole('textbox', { name: 'Prompt' }).focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Paint');
});

test('it fits a phone, in light and dark', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await studio.screenshot(`6-phone-${colorScheme}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  await studio.screenshot('7-desktop-dark');
});

test('nothing was complained of meanwhile', () => {
  expect(studio.complaints).toEqual([]);
});
