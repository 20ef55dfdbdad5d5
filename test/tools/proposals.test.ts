import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Proposals } from '@cim/model/proposals/proposals';
import { DataError } from '@cim/tools/errors';
import { writeSafetensors } from '@cim/tools/formats/safetensors';
import { readProposals, writeProposals } from '@cim/tools/proposals/files';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('proposal files');
const folder = await mkdtemp(join(tmpdir(), 'proposals-'));
test.after(() => rm(folder, { recursive: true }));

const SIZE = { width: 5, height: 3 };
/** Two words a leaf set: leaf 33 makes the second one necessary. */
const proposals: Proposals = {
  ...SIZE,
  count: 2,
  labels: Uint16Array.of(0, 0, 33, 33, 1, 0, 2, 2, 33, 1, 3, 3, 3, 3, 1),
  leafCount: 34,
  members: Uint32Array.of(0b101, 0b10, 0xffffffff, 0),
  scores: Float32Array.of(1.5, -0.25),
};

async function failure(path: string, size = SIZE): Promise<DataError> {
  const error = await readProposals(path, size).then(() => assert.unreachable('it was read'), (reason: unknown) => reason);
  assert.instance(error, DataError);
  assert.ok((error as DataError).message.includes(path));
  assert.match((error as DataError).remedy, 'cim proposals');
  return error as DataError;
}

test('what is written is read', async () => {
  const path = join(folder, 'a.safetensors');
  await writeProposals(path, proposals);
  assert.equal(await readProposals(path, SIZE), proposals);
  const none = { ...proposals, count: 0, members: new Uint32Array(0), scores: new Float32Array(0) };
  await writeProposals(path, none);
  assert.equal(await readProposals(path, SIZE), none);
});

test('a file of another image size is refused', async () => {
  const path = join(folder, 'size.safetensors');
  await writeProposals(path, proposals);
  assert.match((await failure(path, { width: 3, height: 5 })).message, '5×3');
});

test('a missing, truncated or foreign file is refused', async () => {
  await failure(join(folder, 'missing.safetensors'));
  const path = join(folder, 'damaged.safetensors');
  await writeProposals(path, proposals);
  await truncate(path, (await readFile(path)).length - 3);
  await failure(path);
  await writeFile(path, 'not a file of ours');
  await failure(path);
  await writeSafetensors(path, { format: 'cim-proposals', version: '0', width: '5', height: '3' }, []);
  assert.match((await failure(path)).message, 'version 0');
  await writeSafetensors(path, { format: 'cim-proposals', version: '1', width: '5', height: '3' }, []);
  assert.match((await failure(path)).message, 'run_leaves');
});

test.run();
