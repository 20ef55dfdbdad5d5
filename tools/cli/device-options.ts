import type { DeviceOptions } from '@cim/runtime';
import { isTuningMode } from '@cim/runtime/tune/modes';
import { readChoices } from '../tune/choices.ts';
import type { GlobalOptions } from './options.ts';
import { terminalReporter } from './reporter.ts';

/** @throws ConfigError when `--tuning` names a file that holds no choices. */
export const deviceOptions = ({ driver, trace, memory, tuning }: GlobalOptions): DeviceOptions => ({
  driver,
  trace: trace !== undefined,
  memoryBudget: memory * 2 ** 30,
  // What a file does not say is not left to what this machine knows.
  ...(isTuningMode(tuning) ? { tuning } : { tuning: 'off', choices: readChoices(tuning) }),
  warn: ({ message, remedy }) => terminalReporter.warn(`${message} ${remedy}`),
});
