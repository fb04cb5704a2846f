// omitManagedFields: takes metadata.managedFields out of a body where the API server would have taken it out of the object.

import { elements, nameAt, walkObject } from '../json.ts';
import { cutMembers, type Edit } from './splice.ts';

const EMPTY = Buffer.from('{}');

interface Member {
  /** Opening quote of the name. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** Members by name, the first of equal names; undefined where the value is no object. */
function membersOf(bytes: Buffer, from: number, to: number): Map<string, Member> | undefined {
  if (bytes[from] !== 0x7b) return undefined;
  const members = new Map<string, Member>();
  walkObject(bytes, from, to, (nameFrom, nameTo, valueFrom, valueTo) => {
    const name = nameAt(bytes, nameFrom, nameTo);
    if (!members.has(name)) members.set(name, { start: nameFrom - 1, from: valueFrom, to: valueTo });
    return 0;
  });
  return members;
}

function textOf(bytes: Buffer, member: Member | undefined): string {
  if (member === undefined || bytes[member.from] !== 0x22) return '';
  return JSON.parse(bytes.toString('utf8', member.from, member.to)) as string;
}

function cutFromMetadata(bytes: Buffer, members: Map<string, Member>): Edit[] {
  const metadata = members.get('metadata');
  const inner = metadata && membersOf(bytes, metadata.from, metadata.to);
  const fields = inner?.get('managedFields');
  if (metadata === undefined || fields === undefined) return [];
  if (inner!.size === 1) return [{ from: metadata.from, to: metadata.to, text: EMPTY }];
  return cutMembers(bytes, [fields]);
}

/**
 * Edits that take managedFields out of the body at `[from, to)`: of the object itself, of each item of a list, of each
 * row's object of a Table. Not for bodies of patches, which the API server records as they were sent.
 */
export function managedFieldsEdits(bytes: Buffer, from: number, to: number): Edit[] {
  const body = bytes.subarray(from, to);
  // a name may be spelled with escapes; otherwise the word must be there
  if (!body.includes('managedFields') && !body.includes('\\u')) return [];
  const members = membersOf(bytes, from, to);
  if (members === undefined) return [];
  const edits: Edit[] = [];
  const items = members.get('items');
  if (items !== undefined && bytes[items.from] === 0x5b) {
    for (const [itemFrom, itemTo] of elements(bytes, items.from, items.to)) {
      const item = membersOf(bytes, itemFrom, itemTo);
      // as the API server does: one item that is no object, and the whole list stays as it is
      if (item === undefined) return [];
      edits.push(...cutFromMetadata(bytes, item));
    }
  }
  const rows = members.get('rows');
  const isTable =
    textOf(bytes, members.get('kind')) === 'Table' &&
    textOf(bytes, members.get('apiVersion')).startsWith('meta.k8s.io/');
  if (isTable && rows !== undefined && bytes[rows.from] === 0x5b) {
    for (const [rowFrom, rowTo] of elements(bytes, rows.from, rows.to)) {
      const object = membersOf(bytes, rowFrom, rowTo)?.get('object');
      const inner = object && membersOf(bytes, object.from, object.to);
      if (inner !== undefined) edits.push(...cutFromMetadata(bytes, inner));
    }
  }
  edits.push(...cutFromMetadata(bytes, members));
  return edits;
}
