import { afterEach, expect, test, vi } from 'vitest';
import { terminalReport } from './report.ts';

const download = (file: string, loaded: number, total: number) => ({
  event: 'download' as const,
  repo: 'owner/name',
  file,
  loaded,
  total,
  filesLoaded: 0,
  filesTotal: 1,
  bytesLoaded: loaded,
  bytesTotal: total,
});

/** What comes on standard error, on a terminal or in a file. */
function capture(isTTY: boolean): string[] {
  const written: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.push(`${text}`);
    return true;
  });
  Object.defineProperty(process.stderr, 'isTTY', { value: isTTY, configurable: true });
  return written;
}
const wasTTY = process.stderr.isTTY;
afterEach(() => {
  vi.restoreAllMocks();
  Object.defineProperty(process.stderr, 'isTTY', { value: wasTTY, configurable: true });
});

test('in a log a download is one line, if it is worth one', () => {
  const written = capture(false);
  const report = terminalReport();
  report.send(download('model_index.json', 0, 500));
  report.send(download('unet/w.safetensors', 0, 3.44e9));
  report.send(download('unet/w.safetensors', 1e9, 3.44e9));
  report.send(download('vae/w.safetensors', 0, 335e6));
  report.close();
  expect(written).toEqual([
    'Downloading unet/w.safetensors (3.4 GB)\n',
    'Downloading vae/w.safetensors (335.0 MB)\n',
  ]);
});

test('on a terminal a download is a bar, which goes when something else comes', async () => {
  const written = capture(true);
  const report = terminalReport();
  report.send({ event: 'load', component: 'unet', loaded: 2, total: 3 });
  report.send(download('unet/w.safetensors', 700e3, 3.44e9));
  report.send(download('unet/w.safetensors', 1.72e9, 3.44e9));
  report.send({ event: 'step', step: 0, totalSteps: 4, progress: 0.25, timestep: 999, sigma: 1 });
  report.close();
  const text = written.join('');
  expect(text).toContain('\rLoading unet … ');
  expect(text).toContain('Downloading unet/w.safetensors ░');
  expect(text).toContain('700 kB of 3.4 GB');
  expect(text).toMatch(/Painting █+░+ 1\/4 steps/);
});

test('of a sampler that finds its steps on the way the bar shows how far it is', () => {
  const written = capture(true);
  const report = terminalReport();
  report.send({ event: 'step', step: 6, totalSteps: undefined, progress: 0.5, timestep: 400, sigma: 1 });
  report.close();
  expect(written.join('')).toMatch(/Painting █{15}░{15} 7 steps/);
});
