// What the commands run, all of them but demo: one module, since thirty small files take longer to load than what is in them.

export { check } from './check.ts';
export { backfill, collect } from './collect.ts';
export { decode } from './decode.ts';
export { init } from './init.ts';
export { keygen } from './keygen.ts';
export { plan } from './plan.ts';
export { policyExplain } from './policy-explain.ts';
export { policyShow } from './policy-show.ts';
export { policySuggest } from './policy-suggest.ts';
export { policyTest } from './policy-test.ts';
export { prove } from './prove.ts';
export { seal } from './seal.ts';
export { status } from './status.ts';
export { verify } from './verify.ts';
