import type { Reporter } from '../pipeline/context.ts';
import { progress } from './progress.ts';

/** Bars, notes and warnings on stderr; results go to stdout. */
export const terminalReporter: Reporter = {
  progress,
  info: (message) => console.error(message),
  warn: (message) => console.error(`Warning: ${message}`),
};
