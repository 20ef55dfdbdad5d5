/** A damaged file of any format ends in a value or a typed error: no other exception, no hang, no flood of memory. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { formats } from './readers.ts';
import type { FuzzOutcome } from './worker.ts';

const test = suite('fuzz');

/** Damaged files of each format; CIM_FUZZ=20000 searches longer. */
const COUNT = Number(process.env.CIM_FUZZ ?? 1000);
/** Milliseconds after which a file that is still being read is a hang. */
const HANG = 30_000;
/** Heap and buffers while files of a few KB are read. */
const MAX_BYTES = 2 ** 30;

/** Reads all formats in another process, which is killed when it hangs. */
async function run(): Promise<{ outcomes: Map<string, FuzzOutcome>; end: string }> {
  const outcomes = new Map<string, FuzzOutcome>();
  const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [temporaryFolder('fuzz'), String(COUNT)], {
    execArgv: ['--import', 'tsx', '--max-old-space-size=1024'],
  });
  let place = 'the first file';
  let hang: NodeJS.Timeout | undefined;
  child.on('message', (message: string | FuzzOutcome) => {
    clearTimeout(hang);
    hang = setTimeout(() => child.kill('SIGKILL'), HANG);
    if (typeof message === 'string') place = message;
    else outcomes.set(message.format, message);
  });
  // The last messages may come after the exit.
  const [[code, signal]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  clearTimeout(hang);
  return { outcomes, end: `the process ended by ${signal ?? `code ${code}`} at ${place}` };
}

const { outcomes, end } = await run();

for (const name of Object.keys(formats)) {
  test(`${name}: damaged files`, () => {
    const outcome = outcomes.get(name);
    assert.ok(outcome, end);
    const { files, refused, failure, peakBytes } = outcome;
    assert.is(failure, null);
    assert.ok(files >= COUNT);
    assert.ok(refused > files / 10, `${refused} of ${files} refused`);
    assert.ok(peakBytes < MAX_BYTES, `${peakBytes} bytes`);
  });
}

test.run();
