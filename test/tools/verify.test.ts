/** The golden files pass, and would not if they held anything else. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { DataError } from '@cim/tools/errors';
import { readSafetensors, type SafeTensor, writeSafetensors } from '@cim/tools/formats/safetensors';
import { type VerifyReport, verify } from '@cim/tools/verify/verify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('verify');
const device = await testDevice();
const golden = fileURLToPath(new URL('../golden', import.meta.url));
const folder = temporaryFolder('verify');
const files = readdirSync(golden).filter((name) => name.endsWith('.safetensors'));

/** The same tensor with every element far off. */
function altered(tensor: SafeTensor): SafeTensor {
  const data = tensor.data as Float32Array;
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const change = (value: number): number => (tensor.dtype === 'U8' ? 255 - value : value + 1 + largest);
  return { ...tensor, data: data.map(change) } as SafeTensor;
}

/** Writes a copy of a golden file with other outputs. */
async function alter(name: string, to: string): Promise<void> {
  const { metadata, tensors } = await readSafetensors(join(golden, name));
  const changed = [...tensors].map(
    ([key, tensor]) => [key, /^(out|grad)/.test(key) ? altered(tensor) : tensor] as const,
  );
  const options: Record<string, string> = { ...metadata };
  if ('num_gt' in options) options.num_gt += '1'; // an output too
  await writeSafetensors(join(to, name), options, changed);
}

test('every golden file is covered and passes', async () => {
  const { known, passed, failed, notCovered, cases } = await verify(device, golden, ({ case: name, status, error }) => {
    assert.is(status, 'passed', `${name} ${error ?? ''}`);
  });
  assert.equal([known, passed, failed, notCovered], [files.length, files.length, 0, 0]);
  assert.ok(cases.every(({ comparisons }) => comparisons.length > 0));
});

test('every comparison fails when the outputs are others', async () => {
  const to = join(folder, 'altered');
  mkdirSync(to);
  for (const name of files) await alter(name, to);
  const { cases, passed } = await verify(device, to, () => {});
  assert.is(passed, 0);
  const blind: string[] = [];
  for (const { case: name, comparisons } of cases) {
    const { tensors } = await readSafetensors(join(to, `${name}.safetensors`));
    for (const { tensor, passed } of comparisons) {
      if (passed && tensors.get(tensor)?.data.length !== 0) blind.push(`${name} ${tensor}`);
    }
  }
  assert.equal(blind, []);
});

test('the command reports what passed, failed and is unknown, and ends with code 1 after a failure', async () => {
  const to = join(folder, 'mixed');
  mkdirSync(to);
  copyFileSync(join(golden, 'op_relu.safetensors'), join(to, 'op_relu.safetensors'));
  copyFileSync(join(golden, 'op_relu.safetensors'), join(to, 'novelty.safetensors'));
  const json = join(folder, 'report.json');
  const run = () => cim('verify', to, '--json', json, '--driver', testDriver());
  const good = await run();
  assert.is(good.code, 0, good.stderr);
  assert.match(good.stdout, /known 1, passed 1, failed 0, not covered 1\n$/);

  await alter('nms_plain.safetensors', to);
  const bad = await run();
  assert.is(bad.code, 1);
  assert.match(bad.stdout, /FAIL {2}nms_plain .*\n +FAIL out\.keep: max error /);
  assert.match(bad.stdout, /known 2, passed 1, failed 1, not covered 1\n$/);
  const report = JSON.parse(readFileSync(json, 'utf8')) as VerifyReport;
  assert.equal([report.known, report.passed, report.failed, report.notCovered], [2, 1, 1, 1]);
  assert.equal(
    report.cases.map(({ case: name, status }) => [name, status]),
    [
      ['nms_plain', 'failed'],
      ['novelty', 'not covered'],
      ['op_relu', 'passed'],
    ],
  );
});

test('a folder that is missing or holds no golden file is refused', async () => {
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  for (const [path, message] of [
    [join(folder, 'missing'), /Cannot read .*missing: there is no such file/],
    [empty, /holds no golden file/],
  ] as const) {
    const error = await rejection(verify(device, path, () => {}));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
});

test.run();
