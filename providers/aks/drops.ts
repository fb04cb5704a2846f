// Rows that the workspace refused to take in: nothing but its Operation table tells of them. What it says becomes notes of manifests.

import { AuditkeepError, giveMemory, ThrottledError, TransientError, type Span } from '../../src/provider.ts';
import { type Attempt, classifyAnswer } from './classify.ts';
import type { Answer } from './client.ts';
import { dropsQuery } from './kql.ts';
import { readRows } from './page.ts';

/** How far back is asked: a first read and the recheck of its day both lie within. */
const BACK = 3 * 86_400_000;

/** https://learn.microsoft.com/azure/azure-monitor/logs/monitor-workspace */
const REASONS = [
  { marks: /OverQuota/i, words: 'its daily cap was reached' },
  { marks: /ingestion volume rate/i, words: 'more came in than its ingestion rate allows' },
] as const;

export const TABLE = 'Operation';

/** Asks for what was dropped lately. Gives remarks, also where it can't be asked. Throws only what passes: throttling, faults, an abort. */
export async function dropNotes(
  now: number,
  attempt: Attempt,
  signal: AbortSignal,
  ask: (text: string, times: Span) => Promise<Answer>,
): Promise<string[]> {
  const times = { from: now - BACK, to: now };
  const unknown = (why: string) => [`whether the workspace dropped rows of late couldn't be asked: ${why}`];
  let answer: Answer;
  try {
    answer = await ask(dropsQuery(times), times);
    const error = answer.status === 200 ? undefined : classifyAnswer(answer, attempt);
    if (error !== undefined) throw error;
  } catch (error) {
    if (signal.aborted || error instanceof TransientError || error instanceof ThrottledError) throw error;
    if (!(error instanceof AuditkeepError)) throw error;
    return unknown(error.message);
  }
  if (answer.status !== 200) return unknown('the query took too long');
  const read = readRows(answer.body, ['At', 'Detail']);
  if ('tooMuch' in read) return unknown(read.tooMuch);
  const rows = Array.from(read.rows, ([at, detail]) => ({ at: String(at), detail: String(detail) }));
  giveMemory(answer.body);
  return REASONS.flatMap(({ marks, words }) => {
    const found = rows.filter(({ detail }) => marks.test(detail)).map(({ at }) => at);
    const last = found.toSorted().at(-1);
    if (last === undefined) return [];
    const times = found.length === 1 ? 'once' : `${found.length} times`;
    return [`the workspace dropped rows because ${words} (said ${times} within 3 days, last ${last}): they are lost`];
  });
}
