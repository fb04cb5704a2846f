// Loads an audit Policy file: the API server's checks, all mistakes at once with their paths, and stricter where it only warns.

import { ConfigError } from '../errors.ts';
import { STAGES, type Stage } from '../event.ts';
import { isSubdomain } from './label-selector.ts';
import { type GroupResources, type Policy, POLICY_LEVELS, type PolicyLevel, type PolicyRule } from './policy.ts';
import { join, NotReadable, type Plain, type ReadText, readText } from './yaml11.ts';

export interface LoadedPolicy {
  readonly policy: Policy;
  /** Lenient only: members that mean nothing, as dotted paths with the reason. */
  readonly ignored: readonly string[];
}

type Members = ReadonlyMap<string, Plain>;
type Reader<T> = (value: Plain, path: string) => T;

/** Readers that note every mistake and go on with a harmless value. */
function readers(errors: string[], strict: string[]) {
  const wrong = (path: string, expected: string, value: Plain) =>
    errors.push(`${path}: expected ${expected}, found ${describe(value)}`);

  const text: Reader<string> = (value, path) => {
    if (typeof value === 'string') return value;
    if (value !== null) {
      const quote = typeof value === 'boolean' ? ' (YAML reads yes, no, on, off, y and n as booleans: quote it)' : '';
      errors.push(`${path}: expected text, found ${describe(value)}${quote}`);
    }
    return '';
  };
  const flag: Reader<boolean | undefined> = (value, path) => {
    if (value === null) return undefined;
    if (typeof value !== 'boolean') wrong(path, 'true or false', value);
    return value === true;
  };
  const list =
    <T>(item: Reader<T>): Reader<T[]> =>
    (value, path) => {
      if (value === null) return [];
      if (Array.isArray(value)) return value.map((element: Plain, i) => item(element, join(path, i)));
      wrong(path, 'a list', value);
      return [];
    };
  /** Members with their readers; others are unknown. null is an object without members. */
  const members = (value: Plain, path: string, known: ReadonlySet<string>): Members => {
    if (value instanceof Map) {
      for (const name of (value as Members).keys())
        if (!known.has(name)) strict.push(`${join(path, name)}: unknown member${hint(name, known)}`);
      return value as Members;
    }
    if (value !== null) wrong(path === '' ? 'the file' : path, 'an object', value);
    return new Map();
  };
  return { text, flag, list, members, wrong };
}

function describe(value: Plain): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'an object';
  return typeof value === 'number' ? `the number ${value}` : JSON.stringify(value);
}

function hint(name: string, known: ReadonlySet<string>): string {
  const plain = name.toLowerCase();
  const meant = [...known].find((k) => k.toLowerCase() === plain || k.toLowerCase() === `${plain}s`);
  return meant === undefined ? `; known are ${[...known].join(', ')}` : `; did you mean ${meant}?`;
}

const POLICY_MEMBERS = new Set(['apiVersion', 'kind', 'metadata', 'omitStages', 'omitManagedFields', 'rules']);
const RULE_MEMBERS = new Set([
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
]);
const GROUP_MEMBERS = new Set(['group', 'resources', 'resourceNames']);

/** metadata of a Policy means nothing to the evaluator, but its types are checked all the same. */
const METADATA_TEXT = ['name', 'generateName', 'namespace', 'selfLink', 'uid', 'resourceVersion'];
const METADATA_TIME = ['creationTimestamp', 'deletionTimestamp'];
const METADATA_NUMBER = ['generation', 'deletionGracePeriodSeconds'];
const METADATA_MAP = ['labels', 'annotations'];
const METADATA_OBJECTS = ['ownerReferences', 'managedFields'];
const METADATA_MEMBERS = new Set([
  ...METADATA_TEXT,
  ...METADATA_TIME,
  ...METADATA_NUMBER,
  ...METADATA_MAP,
  ...METADATA_OBJECTS,
  'finalizers',
]);

function readPolicy(read: ReadText, errors: string[], strict: string[]): Policy {
  const { text, flag, list, members, wrong } = readers(errors, strict);
  const at = (object: Members, name: string): Plain => object.get(name) ?? null;

  const stages: Reader<Stage[]> = (value, path) =>
    list(text)(value, path).filter((stage, i): stage is Stage => {
      const known = (STAGES as readonly string[]).includes(stage);
      if (!known) errors.push(`${join(path, i)}: "${stage}" is no stage; allowed are ${STAGES.join(', ')}`);
      return known;
    });

  const level: Reader<PolicyLevel> = (value, path) => {
    const found = text(value, path);
    if ((POLICY_LEVELS as readonly string[]).includes(found)) return found as PolicyLevel;
    const allowed = POLICY_LEVELS.join(', ');
    if (value === null || value === '') errors.push(`${path}: required; one of ${allowed}`);
    else if (typeof value === 'string') errors.push(`${path}: "${found}" is no level; allowed are ${allowed}`);
    return 'None';
  };

  const group: Reader<GroupResources> = (value, path) => {
    const object = members(value, path, GROUP_MEMBERS);
    const read = {
      group: text(at(object, 'group'), join(path, 'group')),
      resources: list(text)(at(object, 'resources'), join(path, 'resources')),
      resourceNames: list(text)(at(object, 'resourceNames'), join(path, 'resourceNames')),
    };
    if (read.group !== '' && read.group !== '*' && !isSubdomain(read.group))
      errors.push(
        `${join(path, 'group')}: "${read.group}" is no API group; a group is "" (core), "*", or a lower-case name such as ` +
          `rbac.authorization.k8s.io, without version and without wildcards`,
      );
    if (read.resourceNames.length > 0 && read.resources.length === 0)
      errors.push(`${join(path, 'resourceNames')}: needs at least one entry in resources`);
    return read;
  };

  const urls: Reader<string[]> = (value, path) => {
    const found = list(text)(value, path);
    for (const [i, url] of found.entries()) {
      if (url === '*') continue;
      if (!url.startsWith('/')) errors.push(`${join(path, i)}: "${url}" must begin with "/", or be "*"`);
      if (url.slice(0, -1).includes('*'))
        errors.push(`${join(path, i)}: "${url}" may have "*" only as its last character`);
    }
    return found;
  };

  const rule: Reader<PolicyRule> = (value, path) => {
    const object = members(value, path, RULE_MEMBERS);
    const read = {
      level: level(at(object, 'level'), join(path, 'level')),
      users: list(text)(at(object, 'users'), join(path, 'users')),
      userGroups: list(text)(at(object, 'userGroups'), join(path, 'userGroups')),
      verbs: list(text)(at(object, 'verbs'), join(path, 'verbs')),
      resources: list(group)(at(object, 'resources'), join(path, 'resources')),
      namespaces: list(text)(at(object, 'namespaces'), join(path, 'namespaces')),
      nonResourceURLs: urls(at(object, 'nonResourceURLs'), join(path, 'nonResourceURLs')),
      omitStages: stages(at(object, 'omitStages'), join(path, 'omitStages')),
      omitManagedFields: flag(at(object, 'omitManagedFields'), join(path, 'omitManagedFields')),
    };
    if (read.nonResourceURLs.length > 0 && (read.resources.length > 0 || read.namespaces.length > 0))
      errors.push(`${join(path, 'nonResourceURLs')}: a rule is for resources or for other URLs, not for both`);
    return read;
  };

  const metadata = (value: Plain) => {
    const object = members(value, 'metadata', METADATA_MEMBERS);
    for (const name of METADATA_TEXT) text(at(object, name), `metadata.${name}`);
    list(text)(at(object, 'finalizers'), 'metadata.finalizers');
    for (const name of METADATA_OBJECTS)
      list((item, path) => {
        if (item !== null && !(item instanceof Map)) wrong(path, 'an object', item);
      })(at(object, name), `metadata.${name}`);
    for (const name of METADATA_MAP) {
      const map = at(object, name);
      if (map instanceof Map) for (const [key, item] of map as Members) text(item, `metadata.${name}.${key}`);
      else if (map !== null) wrong(`metadata.${name}`, 'an object', map);
    }
    for (const name of METADATA_NUMBER) {
      const number = at(object, name);
      if (number !== null && !Number.isInteger(number)) wrong(`metadata.${name}`, 'a whole number', number);
    }
    for (const name of METADATA_TIME) {
      const time = text(at(object, name), `metadata.${name}`);
      if (time !== '' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(time))
        errors.push(`metadata.${name}: "${time}" is no time such as 2026-06-22T10:00:00Z`);
    }
  };

  const file = members(read.value, '', POLICY_MEMBERS);
  checkVersion(file, text, errors);
  metadata(at(file, 'metadata'));
  const rules = list(rule)(at(file, 'rules'), 'rules');
  if (rules.length === 0 && !errors.some((error) => error.startsWith('rules')))
    errors.push('rules: at least one rule is needed');
  for (const path of read.repeated) strict.push(`${path}: given more than once`);
  return {
    omitStages: stages(at(file, 'omitStages'), 'omitStages'),
    omitManagedFields: flag(at(file, 'omitManagedFields'), 'omitManagedFields') ?? false,
    rules,
  };
}

/** The API server finds these two members in any case of letters; `apiversion` then counts as an unknown member besides. */
function checkVersion(file: Members, text: Reader<string>, errors: string[]): void {
  let apiVersion: Plain = null;
  let kind: Plain = null;
  for (const [name, value] of file) {
    if (name.toLowerCase() === 'apiversion') apiVersion = value;
    if (name.toLowerCase() === 'kind') kind = value;
  }
  const version = text(apiVersion, 'apiVersion');
  if (apiVersion === null || version === '') errors.push('apiVersion: required; it must be audit.k8s.io/v1');
  else if (version !== 'audit.k8s.io/v1') {
    const old = /^audit\.k8s\.io\/v1(alpha|beta)1$/.test(version)
      ? ' (Kubernetes 1.24 dropped the versions before v1)'
      : '';
    errors.push(`apiVersion: "${version}" isn't supported; it must be audit.k8s.io/v1${old}`);
  }
  const found = text(kind, 'kind');
  if (found !== '' && found !== 'Policy') errors.push(`kind: "${found}" is no Policy`);
}

/**
 * Loads the text of a Policy file (YAML or JSON).
 * @param options.lenient members that are unknown or repeated are ignored, as kube-apiserver does; otherwise they are mistakes
 * @param options.name how messages call the file
 * Throws ConfigError with all mistakes, each with its path.
 */
export function loadPolicy(
  text: string,
  options: { readonly lenient?: boolean; readonly name?: string } = {},
): LoadedPolicy {
  const { lenient = false, name = 'the policy' } = options;
  let read: ReadText;
  try {
    read = readText(text);
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    throw new ConfigError(`${name} can't be read: ${error.message}`, { cause: error });
  }
  const errors: string[] = [];
  const strict: string[] = [];
  const policy = readPolicy(read, errors, strict);
  const mistakes = lenient ? errors : [...errors, ...strict];
  if (mistakes.length > 0)
    throw new ConfigError(
      `${name} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((m) => `  ${m}`).join('\n')}`,
      strict.length > 0 && errors.length === 0
        ? {
            hint: 'kube-apiserver would ignore these members, which can widen a rule in silence; correct them, or load leniently',
          }
        : {},
    );
  return { policy, ignored: strict };
}
