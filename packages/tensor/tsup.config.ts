import { modulesConfig } from '../../tooling/build/tsup.base.ts';

export default modulesConfig();
