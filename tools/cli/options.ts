/** What every command takes, and parsers for the values of options. */
import { DRIVER_CHOICES, type DriverChoice, isDriverChoice } from '@cim/runtime/platform/driver';
import { TUNING_MODES } from '@cim/runtime/tune/modes';
import { type Command, InvalidArgumentError } from 'commander';

export interface GlobalOptions {
  readonly driver: DriverChoice;
  /** The file for the Chrome trace of all kernels. */
  readonly trace?: string;
  /** GiB of GPU buffers that may exist at once. */
  readonly memory: number;
  /** A mode, or the file of the choices that are kept to. */
  readonly tuning: string;
  readonly debug: boolean;
}

const DEFAULT_MEMORY = 12;

/** They may stand before or after the command's name; `command.optsWithGlobals()` gives them. */
export function addGlobalOptions(program: Command): void {
  program
    .option('--driver <name>', `what runs the kernels: ${DRIVER_CHOICES.join(', ')}`, parseDriver, 'auto')
    .option('--trace <file>', 'write the time of every kernel as a Chrome trace (open it at ui.perfetto.dev)')
    .option('--memory <GiB>', 'GPU memory that may be used', parsePositive, DEFAULT_MEMORY)
    .option(
      '--tuning <mode or file>',
      `how kernels are chosen: ${TUNING_MODES.join(', ')} (see docs/tuning.md), or as the kernels.json of a run says`,
      'cached',
    )
    .option('--debug', 'show where in the code an error happened', false);
}

export function parseDriver(name: string): DriverChoice {
  if (!isDriverChoice(name)) throw new InvalidArgumentError(`It must be one of ${DRIVER_CHOICES.join(', ')}.`);
  return name;
}

/** A finite number. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('It must be a number.');
  return value;
}

/** A finite number above 0. */
export function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

/** A whole number of 0 or more. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a whole number of 0 or more.');
  return value;
}

/** A whole number of 1 or more. */
export function parseWhole(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError('It must be a whole number of 1 or more.');
  return value;
}

/** Different whole numbers, separated by commas. */
export function parseCounts(text: string): number[] {
  const values = text.split(',').map(parseCount);
  if (new Set(values).size < values.length) throw new InvalidArgumentError('No number may stand there twice.');
  return values;
}

/** A number from 0 to 1. */
export function parseShare(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1) || text.trim() === '')
    throw new InvalidArgumentError('It must be a number from 0 to 1.');
  return value;
}

/** Height and width, `128x160`. */
export function parseSize(text: string): [height: number, width: number] {
  const [, height, width] = /^(\d+)[x×](\d+)$/.exec(text) ?? [];
  if (!(Number(height) > 0 && Number(width) > 0)) throw new InvalidArgumentError('Write it as 128x160.');
  return [Number(height), Number(width)];
}
