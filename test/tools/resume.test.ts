/** A training that is killed and resumed ends with the very bytes of one that was not. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cim } from './cim.ts';

const test = suite('resume');
const folder = mkdtempSync(join(tmpdir(), 'cim-resume-'));
const data = join(folder, 'data');
const STEPS = 8;
const recipe = [
  `classifier.training.steps=${STEPS}`,
  'classifier.training.batch=2',
  `training.steps=${STEPS}`,
  'training.imagesPerStep=2',
  'checkpointEvery=3',
  'proposals.superpixels=40',
  'proposals.limit=12',
];
const trainArguments = (out: string): string[] => ['train', '--data', data, '--out', out, '--set', ...recipe];

test.before(() => writeDemoDataset(data, { train: 6, val: 1, width: 64, height: 64 }));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a training and kills it once its log has `lines` lines. */
async function killAfter(lines: number, log: string, args: string[]): Promise<void> {
  const main = fileURLToPath(new URL('../../tools/cim.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const timer = setInterval(() => {
    if (existsSync(log) && readFileSync(log, 'utf8').split('\n').length > lines) child.kill('SIGKILL');
  }, 5);
  await ended;
  clearInterval(timer);
}

test('killed in the middle and resumed: the same weights and losses', async () => {
  const whole = join(folder, 'whole');
  const { code, stderr } = await cim(...trainArguments(whole));
  assert.is(code, 0, stderr);

  // Classifier and proposals are shared, so that only the training of the network is interrupted.
  const broken = join(folder, 'broken');
  for (const file of ['recipe.json', 'classifier.safetensors', 'labels.safetensors', 'proposals']) {
    cpSync(join(whole, file), join(broken, file), { recursive: true });
  }
  const log = join(broken, 'cim.log.jsonl');
  await killAfter(5, log, [...trainArguments(broken), '--resume']);
  assert.ok(readFileSync(log, 'utf8').split('\n').length <= STEPS, 'it was killed before its end');

  const refused = await cim(...trainArguments(broken));
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /--resume/);

  const resumed = await cim(...trainArguments(broken), '--resume');
  assert.is(resumed.code, 0, resumed.stderr);
  assert.ok(readFileSync(join(broken, 'cim.safetensors')).equals(readFileSync(join(whole, 'cim.safetensors'))));
  assert.is(readFileSync(log, 'utf8'), readFileSync(join(whole, 'cim.log.jsonl'), 'utf8'));
});

test.run();
