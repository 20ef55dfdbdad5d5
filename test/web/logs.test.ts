/** Following a training's files, and what the page makes of them. */
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunState, smoothed, throughput } from '@cim/tools/web/app/watch/state';
import { LineFollower, RunFollower } from '@cim/tools/web/server/logs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { curveLine, monitorLine } from './run-fixture.ts';

const test = suite('logs');
const folder = temporaryFolder('logs');
let next = 0;
const newFile = (): string => join(folder, `${next++}.jsonl`);
const line = (n: number, note = ''): string => `{"n":${n},"note":"${note}"}\n`;
/** The numbers of the lines that a follower finds, with a star where the file was begun anew. */
async function found(follower: LineFollower): Promise<string> {
  const news = await follower.read();
  if (!news) return '-';
  return `${news.restart ? '*' : ''}${news.lines.map((one) => (one as { n: number }).n).join(' ')}`;
}

test('only what is new, and only whole lines', async () => {
  const file = newFile();
  const follower = new LineFollower(file);
  assert.is(await found(follower), '-', 'the file is not there yet');
  writeFileSync(file, '');
  assert.is(await found(follower), '-');
  appendFileSync(file, line(1) + line(2) + line(3).slice(0, 5));
  assert.is(await found(follower), '1 2');
  assert.is(await found(follower), '-');
  appendFileSync(file, line(3).slice(5));
  assert.is(await found(follower), '3');
  appendFileSync(file, `not JSON\n${line(4, 'Größe')}`);
  assert.is(await found(follower), '4');
});

test('a line that is cut inside a character', async () => {
  const file = newFile();
  const follower = new LineFollower(file);
  const bytes = Buffer.from(line(1, 'ü'));
  const cut = bytes.indexOf(0xc3) + 1;
  writeFileSync(file, bytes.subarray(0, cut));
  assert.is(await found(follower), '-');
  appendFileSync(file, bytes.subarray(cut));
  const news = await follower.read();
  assert.equal(news!.lines, [{ n: 1, note: 'ü' }]);
});

test('truncated, replaced, removed, and written over with as many bytes', async () => {
  const file = newFile();
  const follower = new LineFollower(file);
  writeFileSync(file, line(1) + line(2) + line(3));
  assert.is(await found(follower), '1 2 3');
  writeFileSync(file, line(1));
  assert.is(await found(follower), '*1', 'truncated');
  const other = newFile();
  writeFileSync(other, line(1) + line(5));
  renameSync(other, file);
  assert.is(await found(follower), '*1 5', 'another file under the name');
  writeFileSync(file, line(1) + line(6));
  assert.is(await found(follower), '*1 6', 'the same size, other bytes');
  writeFileSync(file, line(1) + line(7) + line(8));
  assert.is(await found(follower), '*1 7 8', 'longer, other bytes');
  rmSync(file);
  assert.is(await found(follower), '*');
  assert.is(await found(follower), '-');
  writeFileSync(file, line(9));
  assert.is(await found(follower), '9');
});

test('a run: small files come whole, and again when they change', async () => {
  const run = temporaryFolder('follow');
  const follower = new RunFollower(run);
  assert.equal(await follower.read(), []);
  writeFileSync(join(run, 'recipe.json'), '{"training": {"steps": 9}}');
  writeFileSync(join(run, 'cim.log.jsonl'), curveLine(0));
  assert.equal(
    (await follower.read()).map(({ file }) => file),
    ['recipe.json', 'cim.log.jsonl'],
  );
  assert.equal(await follower.read(), []);
  writeFileSync(join(run, 'summary.json'), '{"recipe": ');
  assert.equal(await follower.read(), [{ file: 'summary.json', value: null }]);
  writeFileSync(join(run, 'summary.json'), '{"recipe": "demo"}');
  assert.equal(await follower.read(), [{ file: 'summary.json', value: { recipe: 'demo' } }]);
});

test('steps that are done again replace those of before', () => {
  const state = new RunState();
  const log = (...steps: number[]): void =>
    state.apply({ file: 'cim.log.jsonl', restart: false, lines: steps.map((step) => JSON.parse(curveLine(step))) });
  const monitor = (...points: object[]): void =>
    state.apply({ file: 'cim.monitor.jsonl', restart: false, lines: points });
  log(0, 1, 2, 3, 4);
  log(3, 4, 5);
  const { curve, costs, previews, profiles } = state.trainings.cim;
  assert.equal(
    curve.map(({ step }) => step),
    [0, 1, 2, 3, 4, 5],
  );
  const at = (step: number, more: object = {}): object => ({ ...JSON.parse(monitorLine(step)), ...more });
  monitor(at(0), at(1, { kernels: [{ name: 'gemm', count: 1, ms: 2 }] }), { step: 1, preview: { samples: [] } }, at(2));
  assert.equal([costs.length, profiles.length, previews.length], [3, 1, 1]);
  monitor(at(1));
  assert.equal([costs.length, profiles.length, previews.length], [2, 0, 0]);
  state.apply({ file: 'cim.log.jsonl', restart: true, lines: [] });
  assert.is(curve.length, 0);
  assert.is(costs.length, 2, 'the other file is another');
});

test('pace and smoothing', () => {
  const cost = (step: number, time: number) => ({ step, time, images: 4, memory: { live: 0, peak: 0, reserved: 0 } });
  const steady = Array.from({ length: 30 }, (_, i) => cost(i, 500 * i));
  assert.equal(throughput(steady), [null, ...new Array(29).fill(8)]);
  assert.equal(throughput([cost(0, 5), cost(1, 5)]), [null, null]);
  assert.equal(smoothed([3, null, 3], 0.9), [3, null, 3]);
  assert.equal(smoothed([1, 3], 0), [1, 3]);
  const [, second] = smoothed([0, 1], 0.5);
  assert.ok(Math.abs(second! - 2 / 3) < 1e-12, 'the first value counts half as much as the second');
});

test.run();
