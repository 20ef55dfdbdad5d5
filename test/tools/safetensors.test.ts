import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, OutputError } from '@cim/tools/errors';
import { writeFileAtomic } from '@cim/tools/formats/atomic';
import { openSafetensors, readSafetensors, type SafeTensor, writeSafetensors } from '@cim/tools/formats/safetensors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('safetensors');
const folder = mkdtempSync(join(tmpdir(), 'cim-safetensors-'));
test.after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'a.safetensors');

const TENSORS: [string, SafeTensor][] = [
  ['mask', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 0, 255) }],
  ['weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, NaN, Infinity, -0) }],
  ['steps', { dtype: 'I64', shape: [], data: BigInt64Array.of(-(2n ** 40n)) }],
  ['empty', { dtype: 'I32', shape: [0, 4], data: new Int32Array(0) }],
  ['half', { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) }],
  ['view', { dtype: 'I32', shape: [2], data: new Int32Array([9, 8, 7, 6]).subarray(1, 3) }],
];

/** A file with the given header text (or its object) and data. */
function raw(header: string | object, data: Uint8Array = new Uint8Array(0), length?: bigint): string {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  const file = join(folder, 'raw.safetensors');
  writeFileSync(file, Buffer.concat([prefix, json, data]));
  return file;
}

test('what is written is read back, bit for bit', async () => {
  await writeSafetensors(path, { step: '12', 'recipe "x"': 'é' }, TENSORS);
  const { metadata, tensors } = await readSafetensors(path);
  assert.equal(metadata, { step: '12', 'recipe "x"': 'é' });
  assert.is(tensors.size, TENSORS.length);
  for (const [name, expected] of TENSORS) deepStrictEqual(tensors.get(name), expected, name);
});

test('data is aligned as the format asks', async () => {
  await writeSafetensors(path, {}, TENSORS);
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  assert.is(length % 8, 0);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  assert.not('__metadata__' in header);
  const size: Record<string, number> = { I64: 8, F32: 4, I32: 4, F16: 2, U8: 1 };
  for (const { dtype, data_offsets } of Object.values<{ dtype: string; data_offsets: number[] }>(header)) {
    assert.is(data_offsets[0] % size[dtype], 0, dtype);
  }
});

test('a file cut at any place is refused', async () => {
  await writeSafetensors(path, { a: 'b' }, TENSORS);
  const whole = readFileSync(path);
  for (let size = 0; size < whole.length; size += 7) {
    writeFileSync(path, whole);
    truncateSync(path, size);
    const error = await rejection(readSafetensors(path));
    assert.instance(error, CheckpointError, `${size} of ${whole.length} bytes`);
    assert.match(error.message, path);
    assert.ok(error.remedy);
  }
});

test('damaged headers are refused with the reason', async () => {
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  const sixteen = new Uint8Array(16);
  const damaged: [() => string, string][] = [
    [() => raw({}, eight, 2n ** 63n), 'not a safetensors file'],
    [() => raw({}, eight, 90_000_000n), 'truncated'],
    [() => raw('{"a": ', eight), 'not JSON'],
    [() => raw('[1, 2]', eight), 'not a JSON object'],
    [() => raw({ a: 1 }, eight), 'not described'],
    [() => raw({ a: { ...tensor, dtype: 'F31' } }, eight), '"F31"'],
    [() => raw({ a: { ...tensor, shape: [-2] } }, eight), '[-2]'],
    [() => raw({ a: { ...tensor, shape: [2 ** 30, 2 ** 30, 2 ** 30] } }, eight), 'needs'],
    [() => raw({ a: { ...tensor, shape: [3] } }, eight), 'needs 12 bytes'],
    [() => raw({ a: { ...tensor, data_offsets: [8, 0] } }, eight), 'hold -8'],
    [() => raw({ a: { ...tensor, data_offsets: [4, 12] } }, eight), 'truncated'],
    [() => raw({ a: tensor, b: { ...tensor, data_offsets: [4, 12] } }, sixteen), 'overlaps'],
    [() => raw({ a: { ...tensor, data_offsets: [8, 16] } }, sixteen), 'belong to no tensor'],
    [() => raw({ a: tensor }, sixteen), 'the last 8 bytes'],
    [() => raw({ __metadata__: { step: 3 }, a: tensor }, eight), '"step" is not text'],
    [() => folder, 'not a file'],
    [() => join(folder, 'none'), 'no such file'],
  ];
  for (const [make, reason] of damaged) {
    const error = await rejection(readSafetensors(make()));
    assert.instance(error, CheckpointError);
    assert.match(error.message, reason);
  }
});

test('names that are special to JavaScript survive', async () => {
  const data = Float32Array.of(5);
  await writeSafetensors(path, {}, [['__proto__', { dtype: 'F32', shape: [1], data }]]);
  assert.equal((await readSafetensors(path)).tensors.get('__proto__')?.data, data);
});

test('a tensor whose data does not fit its shape is not written', async () => {
  const error = await rejection(
    writeSafetensors(join(folder, 'b'), {}, [['a', { dtype: 'F32', shape: [3], data: new Float32Array(2) }]]),
  );
  assert.instance(error, RangeError);
});

test('tensors are read and written in parts', async () => {
  const counts: number[] = [];
  const size = 2 ** 24 + 3; // more than is in memory at once while it is written
  await writeSafetensors(path, {}, [
    ['small', { dtype: 'U8', shape: [2], data: Uint8Array.of(7, 8) }],
    [
      'large',
      {
        dtype: 'F32',
        shape: [size],
        read: async (first = 0, count = size - first) => {
          counts.push(count);
          return Float32Array.from({ length: count }, (_, i) => (first + i) % 1000);
        },
      },
    ],
  ]);
  assert.equal(counts, [2 ** 24, 3]);
  const { tensors } = await openSafetensors(path);
  const large = tensors.get('large')!;
  assert.equal([large.dtype, large.shape], ['F32', [size]]);
  assert.equal([...((await large.read(2 ** 24 - 2)) as Float32Array)], [214, 215, 216, 217, 218]);
  assert.equal([...((await large.read(5, 3)) as Float32Array)], [5, 6, 7]);
  assert.equal((await large.read(size, 0)).length, 0);
  assert.equal(await tensors.get('small')!.read(), Uint8Array.of(7, 8));
  assert.instance(await rejection(large.read(0, size + 1)), RangeError);
});

test('a file that is replaced while it is in use is not read any more', async () => {
  await writeSafetensors(path, {}, TENSORS);
  const { tensors } = await openSafetensors(path);
  await writeSafetensors(path, {}, TENSORS);
  const error = await rejection(tensors.get('weight')!.read());
  assert.instance(error, CheckpointError);
  assert.match(error.message, 'replaced');
});

test('a part that is not as long as asked for is not written', async () => {
  const target = join(folder, 'short');
  const short = { dtype: 'F32' as const, shape: [3], read: async () => new Float32Array(2) };
  const error = await rejection(writeSafetensors(target, {}, [['a', short]]));
  assert.instance(error, RangeError);
  assert.not(readdirSync(folder).some((name) => name.includes('short')));
});

test('a failed write leaves the old file and no temporary', async () => {
  const own = join(folder, 'own');
  await writeFileAtomic(join(own, 'kept.txt'), 'old');
  async function* failing() {
    yield new Uint8Array(1000);
    throw Object.assign(new Error('write'), { code: 'ENOSPC' });
  }
  const full = await rejection(writeFileAtomic(join(own, 'kept.txt'), failing()));
  assert.instance(full, OutputError);
  assert.match(full.message, 'the disk is full');
  assert.equal(readdirSync(own), ['kept.txt']);
  assert.is(readFileSync(join(own, 'kept.txt'), 'utf8'), 'old');
  const blocked = await rejection(writeFileAtomic(join(own, 'kept.txt', 'below.txt'), 'x'));
  assert.instance(blocked, OutputError);
  assert.match(blocked.message, 'below.txt');
  const taken = await rejection(writeFileAtomic(own, 'x'));
  assert.instance(taken, OutputError);
  assert.ok(statSync(own).isDirectory());
  assert.not(readdirSync(folder).some((name) => name.endsWith('.tmp')));
});

test.run();
