// The ordinary traffic of a cluster, all kinds of it.

import { assemble, type Kind, type Stage } from './cast.ts';
import { changing } from './changes.ts';
import { kubelets } from './kubelets.ts';
import { machines } from './machines.ts';
import { humans } from './people.ts';
import { rollouts } from './rollouts.ts';

export type { Kind, Stage } from './cast.ts';

/** All kinds of traffic of one cluster. */
export function traffic(stage: Stage): Kind[] {
  const cast = assemble(stage);
  const changes = rollouts(cast);
  return [...machines(cast), ...kubelets(cast, changes), ...humans(cast), ...changing(cast, changes)];
}
