// The form as it was left, kept by the browser.
import { defaultSettings, type Settings } from './settings.ts';

/** What the visitor may choose to compute with. */
export const deviceChoices = ['auto', 'webgpu', 'wasm'] as const;

export interface Preferences {
  readonly settings: Settings;
  readonly previewEvery: number;
  readonly device: (typeof deviceChoices)[number];
}

const key = 'emulsion-studio';
const initial: Preferences = { settings: defaultSettings, previewEvery: 1, device: 'auto' };

export function readPreferences(): Preferences {
  try {
    // Written by this app alone; what an older one did not know is as at first.
    const stored = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Preferences>;
    return { ...initial, ...stored, settings: { ...defaultSettings, ...stored.settings } };
  } catch {
    return initial;
  }
}

export function writePreferences(preferences: Preferences): void {
  try {
    localStorage.setItem(key, JSON.stringify(preferences));
  } catch {
    // A browser that keeps nothing is no reason not to paint.
  }
}
