/** Suites by platforms: how many tests passed, and the seconds they took. */
import type { Outcome } from './outcome.ts';
import { PLATFORMS, type PlatformName } from './platform.ts';

/** A platform that could not be had, and the suites of the files it would have run. */
export interface Skipped {
  readonly platform: PlatformName;
  readonly suites: readonly string[];
}

const NOT_RUN = '–';

/** @param outcomes of files `SUITE/…`. */
export function formatTable(
  outcomes: readonly { platform: PlatformName; outcome: Outcome }[],
  skipped: readonly Skipped[],
): string {
  const platforms = PLATFORMS.filter(
    (name) => outcomes.some(({ platform }) => platform === name) || skipped.some(({ platform }) => platform === name),
  );
  const suiteOf = ({ file }: Outcome): string => file.split('/')[0];
  const suites = [
    ...new Set([...outcomes.map(({ outcome }) => suiteOf(outcome)), ...skipped.flatMap((s) => s.suites)]),
  ];
  const cell = (suite: string, platform: PlatformName): string => {
    if (skipped.some((s) => s.platform === platform && s.suites.includes(suite))) return 'skipped';
    const own = outcomes.filter((o) => o.platform === platform && suiteOf(o.outcome) === suite);
    if (own.length === 0) return NOT_RUN;
    const sum = (key: 'passed' | 'failed' | 'skipped' | 'seconds'): number =>
      own.reduce((total, { outcome }) => total + outcome[key], 0);
    return [
      `${sum('passed')} passed`,
      ...(sum('failed') > 0 ? [`${sum('failed')} FAILED`] : []),
      ...(sum('skipped') > 0 ? [`${sum('skipped')} skipped`] : []),
      `${sum('seconds').toFixed(0)} s`,
    ].join(', ');
  };
  const rows = [
    ['', ...platforms],
    ...suites.sort().map((suite) => [suite, ...platforms.map((platform) => cell(suite, platform))]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
