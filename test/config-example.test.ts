// config.example.yaml is complete and true: it parses, knows every option of every schema, and shows the real defaults.

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { registry } from '../providers/index.ts';
import { parseConfig } from '../src/config.ts';
import { clusterSchema, configJsonSchema, configSchema } from '../src/config-schema.ts';
import * as z from 'zod';

const text = await readFile(new URL('../config.example.yaml', import.meta.url), 'utf8');
/** The same with every commented option switched on; `…` and remarks behind it stay. */
const uncommented = text.replace(/^( *)# ( *)([a-z][A-Za-z]*:( .*|$))/gm, '$1$2$3').replace(/\{\} # (\{.*\})$/gm, '$1');

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly anyOf?: readonly Node[];
  readonly default?: unknown;
  readonly const?: unknown;
}

/** Dotted paths of all options of a JSON Schema, leaves and groups. */
function paths(node: Node, prefix = ''): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => [
    `${prefix}${key}`,
    ...paths(child, `${prefix}${key}.`),
  ]);
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((v, key) => (v as Record<string, unknown> | undefined)?.[key], value);
}

const json = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as Node;
const shown = parse(text) as { clusters: Record<string, unknown>[] };
const all = parse(uncommented) as { clusters: Record<string, unknown>[] };
const topPaths = paths(json(configSchema)).filter((path) => path !== 'clusters');
const providers = await Promise.all(
  Object.entries(registry).map(async ([name, load]) => ({ name, provider: await load() })),
);

describe('config.example.yaml', () => {
  it('is a config', async () => {
    const config = await parseConfig(text, registry, {}, 'config.example.yaml');
    expect(config.clusters.map((c) => c.provider).sort()).toEqual(providers.map((p) => p.name).sort());
  });

  it.each(topPaths)('knows %s', (path) => expect(valueAt(all, path)).toBeDefined());

  it.each(paths(json(clusterSchema)))('knows clusters[].%s', (path) =>
    expect(valueAt(all.clusters[0], path)).toBeDefined(),
  );

  it.each(
    providers.flatMap(({ name, provider }) => paths(json(provider.options)).map((path) => [name, path] as const)),
  )('knows the option of %s: %s', (name, path) => {
    const cluster = all.clusters.find((c) => c['provider'] === name);
    expect(valueAt(cluster, path)).toBeDefined();
  });

  it('names no option that isn’t one', async () => {
    const schema = (await configJsonSchema(registry)) as Node & { properties: { clusters: { items: Node } } };
    const known = new Set(topPaths);
    for (const path of keysOf({ ...all, clusters: undefined }))
      if (!path.startsWith('s3.tags.')) expect(known).toContain(path);
    const clusters = schema.properties.clusters.items.anyOf!;
    for (const cluster of all.clusters) {
      const item = clusters.find((one) => one.properties?.['provider']?.const === cluster['provider'])!;
      expect(paths(item)).toEqual(expect.arrayContaining(keysOf(cluster)));
    }
  });

  it('shows the real defaults', async () => {
    const minimal = { archive: 's3://acme-audit/k8s', clusters: shown.clusters };
    const own = await parseConfig(text, registry, {});
    const bare = await parseConfig(JSON.stringify(minimal), registry, {});
    expect({ ...own, clusters: [] }).toEqual({ ...bare, clusters: [] });
    for (const [i, cluster] of shown.clusters.entries()) {
      const provider = providers.find((p) => p.name === cluster['provider'])!.provider;
      const required = ['name', 'provider', ...requiredOf(provider.options)];
      const least = Object.fromEntries(Object.entries(cluster).filter(([key]) => required.includes(key)));
      const parsed = await parseConfig(JSON.stringify({ archive: 'a', clusters: [least] }), registry, {});
      expect(own.clusters[i]).toEqual(parsed.clusters[0]);
    }
  });

  it('shows each option that has a default without a comment sign', () => {
    const withDefault = topPaths.filter((path) => 'default' in (nodeAt(json(configSchema), path) ?? {}));
    expect(withDefault.length).toBeGreaterThan(8);
    for (const path of withDefault) expect(valueAt(shown, path), path).toBeDefined();
  });
});

function requiredOf(schema: z.ZodType): string[] {
  return (json(schema) as { required?: string[] }).required ?? [];
}

function nodeAt(node: Node, path: string): Node | undefined {
  return path.split('.').reduce<Node | undefined>((n, key) => n?.properties?.[key], node);
}

function keysOf(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    child === undefined ? [] : [`${prefix}${key}`, ...keysOf(child, `${prefix}${key}.`)],
  );
}
