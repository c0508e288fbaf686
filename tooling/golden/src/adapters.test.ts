import type { CaseJson } from './golden-area.ts';
import { testArea } from './test-area.ts';

interface AdapterCase extends CaseJson {
  readonly kind: string;
  readonly family: string;
}

await testArea<AdapterCase>('adapters', {
  traits: ({ kind, family }) => [{ kind, family }],
  check: () => 'adapters are not there yet',
});
