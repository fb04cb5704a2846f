// Groups of users where the source doesn't tell them (GKE): what is certain from the name alone.

import { type AuditEvent, beginOf, endOf } from '../event.ts';
import { remembered } from './remembered.ts';
import { type User, userOf } from './request-info.ts';

/**
 * Groups that a user of this name is in for certain; it may be in others. Proves membership, never its absence.
 */
export function certainGroups(username: string): string[] {
  if (username === 'system:anonymous') return ['system:unauthenticated'];
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username);
  if (account !== null)
    return ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`, 'system:authenticated'];
  if (username.startsWith('system:node:')) return ['system:nodes', 'system:authenticated'];
  return ['system:authenticated'];
}

/** Users kept at most: a busy cluster has some hundreds. */
const KEEP = 10_000;

/**
 * Reads the user of events, each distinct one once: the same few users make nearly all requests.
 * @param groups `unknown`: the source tells no groups, the certain ones are added
 */
export function userReader(groups: 'known' | 'unknown'): (event: AuditEvent) => User | null {
  const read = remembered(KEEP, (_text, event: AuditEvent) => {
    const user = userOf(event);
    if (user === null || groups === 'known') return user;
    return { ...user, groups: [...new Set([...user.groups, ...certainGroups(user.username)])] };
  });
  return (event) => read(event.line.toString('latin1', beginOf(event, 'user'), endOf(event, 'user')), event);
}
