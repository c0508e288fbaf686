import { packageConfig } from '../../tooling/build/tsup.base.ts';

export default packageConfig({ entry: ['src/index.ts', 'src/files.ts'] });
