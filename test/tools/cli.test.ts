/** The command line as a person meets it: help, mistakes, the doctor, progress in a log. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ReportedError } from '@cim/runtime';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { reportError } from '@cim/tools/cli/errors';
import { duration, progress } from '@cim/tools/cli/progress';
import { checkGradients } from '@cim/tools/doctor/gradients';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('command line');
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

function cim(...args: string[]) {
  const command = ['--import', 'tsx', path.join(root, 'tools/cim.ts'), ...args];
  return spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' });
}

/** What `work` writes to stderr, console.error included. */
function stderrOf(work: () => void): string {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += chunk;
    return true;
  };
  try {
    work();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

test('without arguments it shows the commands', () => {
  const { status, stdout } = cim();
  assert.is(status, 0);
  assert.match(stdout, /doctor {2,}show what this machine/);
  assert.match(stdout, /--driver <name>/);
});

test('a wrong driver and an unknown command are refused with what is possible', () => {
  const driver = cim('doctor', '--driver', 'cuda');
  assert.is(driver.status, 1);
  assert.match(driver.stderr, /'cuda' is invalid.*auto, hardware, lavapipe, swiftshader/);
  const command = cim('dotcor');
  assert.is(command.status, 1);
  assert.match(command.stderr, /unknown command 'dotcor'[\s\S]*doctor/);
});

test('the doctor names the driver, the reason and the limits, and finds the gradients right', () => {
  const { status, stdout } = cim('doctor', '--driver', testDriver());
  assert.is(status, 0, stdout);
  assert.match(stdout, /driver +(hardware|lavapipe|swiftshader|software) \(asked for: /);
  assert.match(stdout, /why +\S/);
  assert.match(stdout, /maxStorageBufferBindingSize +\d/);
  assert.match(stdout, /ok +linear weight/);
  assert.match(stdout, /All is well\./);
});

test('the gradient check sees a wrong gradient', async () => {
  const device = await testDevice();
  const { run } = device;
  // The bias gradient of the batch norm is lost: the kernel writes it to a tensor of its own.
  device.run = (kernel, tensors) => {
    if (kernel.name !== 'normalise.batchNormReduce') return run.call(device, kernel, tensors);
    const lost = device.zeros([7]);
    device.clear((tensors as unknown as { dbias: typeof lost }).dbias);
    run.call(device, kernel, { ...tensors, dbias: lost });
    lost.dispose();
  };
  const results = await checkGradients(device);
  device.run = run;
  assert.equal(
    results.filter(({ ok }) => !ok).map(({ name }) => name),
    ['norm bias'],
  );
});

test('an expected error shows message and remedy, a defect how to see more', () => {
  const reported = new ReportedError('The file "x" is empty.', 'Write it again.');
  assert.is(
    stderrOf(() => reportError(reported, { debug: false })),
    'ReportedError: The file "x" is empty.\nWrite it again.\n',
  );
  const defect = new TypeError('x is undefined', { cause: new Error('inner') });
  assert.match(
    stderrOf(() => reportError(defect, { debug: false })),
    /^TypeError: x is undefined\n.*--debug/,
  );
  assert.match(
    stderrOf(() => reportError(defect, { debug: true })),
    /cli\.test\.ts[\s\S]*caused by inner/,
  );
});

test('progress in a log is a few lines with rate and time', () => {
  const text = stderrOf(() => {
    const line = progress('Training', 1000);
    for (let step = 0; step < 1000; step++) line.advance(1, `loss ${step}`);
    line.stop();
  });
  const shown = text.trim().split('\n');
  assert.is(shown.length, 10);
  assert.match(shown[0], /^Training 10 % 100\/1000, [\d.]+\/s, \d+ s left, loss 99$/);
  assert.match(shown[9], /^Training 100 % 1000\/1000, [\d.]+\/s, \d+ s, loss 999$/);
});

test('durations', () => {
  assert.equal([8.4, 200, 7500].map(duration), ['8 s', '3 min 20 s', '2 h 5 min']);
});

test('the bootstrap refuses an unknown job and a lock file it cannot install, with the reason', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cim-bootstrap-'));
  const bootstrap = path.join(folder, 'tools/bootstrap.mjs');
  mkdirSync(path.dirname(bootstrap));
  for (const file of ['bootstrap.mjs', 'pnpm.mjs']) {
    copyFileSync(path.join(root, 'tools', file), path.join(folder, 'tools', file));
  }
  const unknown = spawnSync(process.execPath, [bootstrap, 'stat'], { encoding: 'utf8' });
  assert.is(unknown.status, 1);
  assert.match(unknown.stderr, /Unknown job "stat"\.\nIt must be one of start, cim, test\./);
  for (const file of ['package.json', 'pnpm-workspace.yaml'])
    copyFileSync(path.join(root, file), path.join(folder, file));
  writeFileSync(path.join(folder, 'pnpm-lock.yaml'), 'broken: [');
  const broken = spawnSync(process.execPath, [bootstrap, 'cim', 'doctor'], { encoding: 'utf8' });
  assert.is(broken.status, 1);
  assert.match(broken.stderr, /Installing packages.*failed after[\s\S]*LOCKFILE[\s\S]*The step was: /);
  rmSync(folder, { recursive: true });
});

test.run();
