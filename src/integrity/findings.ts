// What a verification found: each finding says whether something was changed, is missing, or can't be told.

import { EXIT } from '../errors.ts';

/** tampered: differs from what was signed · incomplete: missing, or not signed yet · unverifiable: no way to tell. */
export type Severity = 'tampered' | 'incomplete' | 'unverifiable';

export interface Finding {
  readonly severity: Severity;
  /** Stable kebab-case word, for scripts. */
  readonly code: string;
  readonly message: string;
  readonly cluster?: string;
  readonly key?: string;
}

/** Worth saying, but no reason to fail. */
export interface Notice {
  readonly code: string;
  readonly message: string;
}

export interface Findings {
  readonly all: readonly Finding[];
  readonly notices: readonly Notice[];
  tampered(code: string, message: string, about?: { key?: string; cluster?: string }): void;
  incomplete(code: string, message: string, about?: { key?: string; cluster?: string }): void;
  unverifiable(code: string, message: string): void;
  notice(code: string, message: string): void;
  /** Exit code of the gravest: 4 before 3 before 5; 0 when there is none. */
  exitCode(): number;
}

export function createFindings(): Findings {
  const all: Finding[] = [];
  const notices: Notice[] = [];
  const add =
    (severity: Severity) =>
    (code: string, message: string, about: { key?: string; cluster?: string } = {}) =>
      void all.push({ severity, code, message, ...about });
  return {
    all,
    notices,
    tampered: add('tampered'),
    incomplete: add('incomplete'),
    unverifiable: add('unverifiable'),
    notice: (code, message) => void notices.push({ code, message }),
    exitCode() {
      const has = (severity: Severity) => all.some((finding) => finding.severity === severity);
      if (has('tampered')) return EXIT.tampered;
      if (has('incomplete')) return EXIT.incomplete;
      return has('unverifiable') ? EXIT.cannotVerify : EXIT.done;
    },
  };
}
