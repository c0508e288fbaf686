import { packageConfig } from '../../tooling/build/tsup.base.ts';

export default packageConfig({ entry: ['src/index.ts', 'src/platform-node.ts'], external: ['#platform'] });
