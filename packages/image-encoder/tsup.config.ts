import { packageConfig } from '../../tooling/build/tsup.base.ts';

export default packageConfig();
