// Chromium, as a machine without display runs it.
import { type Browser, chromium } from 'playwright';

/** A fresh one: `CHROMIUM`, or Debian's. */
export const launchChromium = (args: readonly string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', ...args],
  });
