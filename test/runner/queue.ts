/**
 * Runs what test files put into uvu's queue, on any platform: uvu's own runner prints its counts, and only Node tells
 * when it is done.
 */
import { crash, type Report } from './outcome.ts';

/** One suite: runs its tests and returns [messages of those that failed or true, passed, skipped, total]. */
type UvuSuite = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;
const uvu = globalThis as unknown as { UVU_DEFER: number; UVU_QUEUE: UvuSuite[][] };

/** Loads a test file and runs its suites, one after the other. */
export async function runSuites(load: () => Promise<unknown>): Promise<Report> {
  uvu.UVU_DEFER = 1;
  uvu.UVU_QUEUE = [[]];
  try {
    await load();
  } catch (error) {
    return crash(`The file cannot be loaded.\n${textOf(error)}`);
  }
  const report = { passed: 0, failed: 0, skipped: 0 };
  const errors: string[] = [];
  for (const runSuite of uvu.UVU_QUEUE[0]) {
    const [messages, passed, skipped, total] = await runSuite();
    report.passed += passed;
    report.failed += total - passed;
    report.skipped += skipped;
    if (messages !== true) errors.push(messages);
    // uvu drops the errors of hooks.
    else if (passed < total) errors.push(`${total - passed} tests did not run: a hook before them failed.`);
  }
  if (report.passed + report.failed + report.skipped === 0) return crash('The file has no tests.');
  return { ...report, errors: errors.join('\n') };
}

const textOf = (error: unknown): string =>
  error instanceof Error
    ? `${error.stack ?? error.message}${error.cause ? `\n${textOf(error.cause)}` : ''}`
    : `${error}`;
