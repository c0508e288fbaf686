import type { CaseJson } from './golden-area.ts';
import { testArea } from './test-area.ts';

interface OnnxCase extends CaseJson {
  readonly kind: string;
  readonly family: string;
}

await testArea<OnnxCase>('onnx', {
  traits: ({ kind, family }) => [{ kind, family }],
  check: () => 'ready-made ONNX folders are not read yet',
});
