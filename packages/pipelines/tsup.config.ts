import { packageConfig } from '../../tooling/build/tsup.base.ts';

export default packageConfig({
  entry: ['src/index.ts', 'src/worker/index.ts', 'src/platform-node.ts', 'src/platform-web.ts'],
  external: ['#platform'],
});
