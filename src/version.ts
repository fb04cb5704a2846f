// The version of this program, as package.json has it; the build puts the number itself in its place.

import manifest from '../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
