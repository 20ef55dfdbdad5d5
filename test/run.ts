/**
 * Runs every test file, or those whose path contains one of the given words:
 *
 *     npm test -- [--driver auto|hardware|lavapipe|swiftshader] [WORD …]
 *
 * Each file is a process of its own, so that a crash is the failure of one file. The driver reaches the tests as $CIM_DRIVER.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Device, DRIVER_CHOICES, isDriverChoice, ReportedError } from '@cim/runtime';

const folder = path.dirname(fileURLToPath(import.meta.url));
/** Software drivers use every core by themselves: more files at a time only cost memory. */
const JOBS = Math.min(2, availableParallelism());
const FILE_TIMEOUT = 10 * 60_000;

interface Outcome {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: string;
}

function runFile(file: string, driver: string): Promise<Outcome> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', path.join(folder, file)], {
      cwd: path.dirname(folder),
      env: { ...process.env, CIM_DRIVER: driver, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: FILE_TIMEOUT,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('close', (code, signal) => {
      const seconds = (performance.now() - begin) / 1000;
      const count = (name: string): number => Number(new RegExp(`^ +${name}: +(\\d+)$`, 'm').exec(output)?.[1] ?? 0);
      const [total, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')];
      let failed = total - passed;
      if (failed === 0 && (code !== 0 || total + skipped === 0)) {
        failed = 1;
        output += signal
          ? `\nThe process was ended by ${signal}.`
          : `\nThe process ended with code ${code} after ${total} tests.`;
      }
      resolve({ file, passed, failed, skipped, seconds, output });
    });
  });
}

function print({ file, passed, failed, skipped, seconds, output }: Outcome): void {
  const counts = `${String(passed).padStart(4)} passed${failed > 0 ? `, ${failed} FAILED` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  console.log(`${file.padEnd(44)} ${seconds.toFixed(1).padStart(6)} s ${counts}`);
  if (failed > 0) console.log(output.replace(/^/gm, '    '));
}

/** Which driver the tests will find. */
async function describeDriver(driver: string): Promise<string> {
  if (!isDriverChoice(driver))
    throw new RangeError(`--driver is "${driver}"; it must be one of ${DRIVER_CHOICES.join(', ')}.`);
  const device = await Device.open({ driver });
  await device.close();
  return `${device.adapter.driver}: ${device.adapter.description} (${device.adapter.reason})`;
}

async function main(): Promise<boolean> {
  const { values, positionals: words } = parseArgs({
    options: { driver: { type: 'string', default: 'auto' } },
    allowPositionals: true,
  });
  console.log(await describeDriver(values.driver));
  const files = (readdirSync(folder, { recursive: true }) as string[])
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
  if (files.length === 0) throw new RangeError(`No test file's path contains ${words.join(' or ')}.`);
  const outcomes: Outcome[] = [];
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(file, values.driver);
      outcomes.push(outcome);
      print(outcome);
    }
  };
  await Promise.all(Array.from({ length: JOBS }, worker));

  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    outcomes.reduce((total, outcome) => total + outcome[key], 0);
  const broken = outcomes.filter(({ failed }) => failed > 0);
  if (broken.length > 0) console.log(`\nFailed: ${broken.map(({ file }) => file).join(', ')}`);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  return broken.length === 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof ReportedError || error instanceof RangeError || error instanceof TypeError)) throw error;
  console.error([error.message, ...(error instanceof ReportedError ? [error.remedy] : [])].join('\n'));
  process.exitCode = 1;
}
