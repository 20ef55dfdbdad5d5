import { beside } from '@cim/tools/pipeline/beside';
import type { Reporter } from '@cim/tools/pipeline/context';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('beside');

function recorder(): { report: Reporter; lines: string[] } {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const progress = (label: string, total: number) => {
    say(`${label} of ${total}`);
    return { advance: (steps = 1, note = '') => say(`+${steps} ${note}`), stop: () => say('end') };
  };
  return { report: { progress, info: say, warn: say }, lines };
}

test('bars are hidden until the work is waited for, messages are not', async () => {
  const { report, lines } = recorder();
  let go = (): void => {};
  const signal = new Promise<void>((resolve) => (go = resolve));
  const work = beside(report, async (own) => {
    const bar = own.progress('Work', 3);
    bar.advance(1);
    bar.advance(1, 'half');
    own.warn('odd');
    await signal;
    bar.advance(1);
    bar.stop();
    return 7;
  });
  assert.equal(lines, ['odd']);
  const result = work.finish();
  go();
  assert.is(await result, 7);
  assert.equal(lines, ['odd', 'Work of 3', '+2 half', '+1 ', 'end']);
});

test('what is done before it is waited for shows its bar at the end', async () => {
  const { report, lines } = recorder();
  const work = beside(report, async (own) => {
    const bar = own.progress('Work', 2);
    bar.advance(2);
    bar.stop();
  });
  await work.finish();
  assert.equal(lines, ['Work of 2', '+2 ', 'end']);
});

test('it is told to stop and waited for; a failure surfaces where the result is asked for', async () => {
  const { report } = recorder();
  let ended = false;
  const work = beside(report, async (_, signal) => {
    while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 1));
    ended = true;
    signal.throwIfAborted();
  });
  await work.stop();
  assert.ok(ended);
  await rejection(work.finish());
});

test.run();
