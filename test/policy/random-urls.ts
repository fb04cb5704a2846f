// Random request lines around everything that RequestInfo looks at; the same for the same seed.

import { numbers } from './random-policy.ts';

const METHODS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'FOO', 'get'];
const SEGMENTS = [
  ...['api', 'apis', 'v1', 'apps', 'rbac.authorization.k8s.io', 'watch', 'proxy', 'namespaces', 'default', 'pods'],
  ...[
    'secrets',
    'log',
    'status',
    'finalize',
    'web',
    '',
    '',
    'a%2Fb',
    '%2F',
    'a%20b',
    '%C3%BC',
    'ü',
    '.',
    '..',
    ':',
    '%',
    '%4',
    '%zz',
  ],
];
const PREFIXES = [
  '/api/v1',
  '/apis/apps/v1',
  '/api/v1/namespaces/default',
  '/apis/apps/v1/namespaces/x',
  '/api/v1/watch',
  '',
  '/',
];
const VALUES = [
  ...[
    '',
    '1',
    '0',
    'true',
    'FALSE',
    'x',
    '-1',
    '+5',
    '99999999999999999999',
    'metadata.name=web',
    'metadata.name%3Dweb',
  ],
  ...[
    'metadata.name==a,spec.x!=b',
    'metadata.name=',
    'metadata.name=a/b',
    'metadata.name=..',
    'metadata.name=a%5C%3Db',
    'metadata.name=a%5C',
  ],
  ...[
    'metadata.name!=a',
    'a',
    'a=b,metadata.name=c',
    ',,',
    'metadata.name=b,metadata.name=a',
    '+metadata.name=a',
    'metadata.name=a%25',
  ],
  ...[
    'app=web',
    'app%20in%20(a,b)',
    'app+notin+()',
    'in+in+(in)',
    '!app',
    '!app=b',
    'a>1',
    'a<x',
    'a>',
    'a,',
    ',a',
    'a=b=c',
    'a%00',
    'x/y=z',
  ],
  ...[
    'UPPER/y=z',
    'a=-',
    'a+in+(,)',
    'a+in+(b',
    'a+in+b',
    'a==',
    'a!=b',
    '(',
    'a%0A=%0Ab',
    'metadata.name%zz',
    'a;b',
    'a===b',
    '=',
    'a+b',
    'ü=1',
  ],
];
const KEYS = [
  'watch',
  'fieldSelector',
  'fieldSelector',
  'labelSelector',
  'limit',
  'timeoutSeconds',
  'pretty',
  '%66ieldSelector',
  'resourceVersion',
  '',
];

/** Methods and URLs; a few of them no server would accept. */
export function randomUrls(seed: number, count: number): { method: string; url: string }[] {
  const random = numbers(seed ^ 0x1b87);
  const pick = (list: readonly string[]) => list[Math.floor(random() * list.length)]!;
  return Array.from({ length: count }, () => {
    let url = random() < 0.8 ? pick(PREFIXES) : '';
    const segments = Math.floor(random() * 5);
    for (let i = 0; i < segments; i++) url += `/${pick(random() < 0.9 ? SEGMENTS.slice(0, -3) : SEGMENTS)}`;
    if (random() < 0.02)
      url = pick(['*', 'a:b', 'http://h/api/v1/pods', '//h/api/v1/pods', 'x', '1a:/b', '/api/v1/pods#x', '']);
    const pairs = random() < 0.6 ? 1 + Math.floor(random() * 3) : 0;
    for (let i = 0; i < pairs; i++) {
      url += i === 0 ? '?' : '&';
      url += pick(KEYS);
      if (random() < 0.95) url += `=${pick(VALUES)}`;
    }
    return { method: pick(METHODS), url };
  });
}
