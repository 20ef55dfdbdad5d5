/** What one test file came to, on whatever platform. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What went wrong, for people. */
  readonly errors: string;
}

export interface Outcome extends Report {
  /** Relative to the folder of tests, with `/`. */
  readonly file: string;
  readonly seconds: number;
}

/** A file that could not be run to its end counts as one failed test. */
export const crash = (errors: string): Report => ({ passed: 0, failed: 1, skipped: 0, errors });
