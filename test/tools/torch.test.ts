/** .pth files: both formats as PyTorch writes them, and the one that is written here. */
import { deepStrictEqual } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { CheckpointError } from '@cim/tools/errors';
import { type DType, NdArray, toFloat32 } from '@cim/tools/formats/ndarray';
import { readTorch, TorchTensor, Tuple, writeTorch } from '@cim/tools/formats/torch';
import { ZipWriter } from '@cim/tools/formats/torch/zip-writer';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('torch');
const folder = temporaryFolder('torch');
const path = join(folder, 'a.pth');
const fixture = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What torch-views*.pth hold: views of one storage of 0 … 11, and one tensor of every other type. */
const VIEWS: [string, DType, number[], number[]][] = [
  ['whole', 'float32', [3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
  ['rows', 'float32', [2, 4], [4, 5, 6, 7, 8, 9, 10, 11]],
  ['transposed', 'float32', [4, 3], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]],
  ['every_other', 'float32', [3, 2], [0, 2, 4, 6, 8, 10]],
  ['expanded', 'float32', [3, 4], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]],
  ['bfloat', 'bfloat16', [3], [1, -2.5, 1.765625 * 2 ** 127]],
  ['parameter', 'float32', [1], [1.5]],
  ['scalar', 'float32', [], [2]],
  ['empty', 'float32', [0, 3], []],
  ['int32', 'int32', [2], [-(2 ** 31), 5]],
  ['int16', 'int16', [1], [-3]],
  ['int8', 'int8', [1], [-128]],
];

for (const name of ['torch-views.pth', 'torch-views-legacy.pth']) {
  test(`${name}: views of a shared storage and every type`, async () => {
    const value = (await readTorch(fixture(name))) as Map<string, unknown>;
    for (const [key, dtype, shape, numbers] of VIEWS) {
      const tensor = value.get(key);
      assert.instance(tensor, TorchTensor, key);
      const { dtype: found, shape: extents } = tensor as TorchTensor;
      assert.equal([key, found, extents], [key, dtype, shape]);
      const data = await (tensor as TorchTensor).read();
      assert.equal([...toFloat32(dtype, data)], numbers.map(Math.fround), key);
      const middle = await (tensor as TorchTensor).read(Math.min(1, data.length), Math.max(0, data.length - 2));
      deepStrictEqual(middle, data.slice(1, Math.max(1, data.length - 1)), key);
    }
    deepStrictEqual(value.get('size'), Tuple.of(3, 4));
    assert.is(String(value.get('dtype')), 'torch.float16');
    await assertRange(value.get('whole') as TorchTensor);
  });
}

async function assertRange(tensor: TorchTensor): Promise<void> {
  for (const [first, count] of [
    [-1, 2],
    [11, 2],
  ]) {
    assert.instance(await rejection(tensor.read(first, count)), RangeError);
  }
}

test('what is written is read back', async () => {
  const rows: [NdArray['dtype'], NdArray['data']][] = [
    ['bool', Uint8Array.of(1, 0)],
    ['uint8', Uint8Array.of(1, 255)],
    ['int8', Int8Array.of(-1, 127)],
    ['int16', Int16Array.of(-2, 3)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1)],
    ['int64', BigInt64Array.of(-1n, 2n ** 63n - 1n)],
    ['float16', Uint16Array.of(0x3c00, 0x7c00)],
    ['bfloat16', Uint16Array.of(0x3f80, 0x7f80)],
    ['float32', Float32Array.of(1.5, Number.NaN)],
    ['float64', Float64Array.of(Math.PI, -0)],
  ];
  const model = new Map(rows.map(([dtype, data]) => [`a.${dtype}`, new NdArray(dtype, [2, 1], data)]));
  model.set('scalar', new NdArray('float32', [], Float32Array.of(3)));
  model.set('empty', new NdArray('float32', [0], new Float32Array()));
  const state = new Map([[0, { momentum_buffer: new NdArray('float32', [3], Float32Array.of(1, 2, 3)) }]]);
  const rest = { step: 2499, lr: 0.00025, nesterov: false, none: null, betas: Tuple.of(0.9, 0.999), params: [0, 1] };
  await writeTorch(path, { ...rest, model, state });
  const back = (await readTorch(path)) as Map<string, unknown>;
  for (const [key, expected] of Object.entries(rest)) deepStrictEqual(back.get(key), expected, key);
  const tensors = back.get('model') as Map<string, TorchTensor>;
  assert.equal([...tensors.keys()], [...model.keys()]);
  for (const [name, { dtype, shape, data }] of model) {
    const tensor = tensors.get(name)!;
    assert.equal([tensor.dtype, tensor.shape], [dtype, shape]);
    deepStrictEqual(await tensor.read(), data, name);
  }
  const momentum = (back.get('state') as Map<number, Map<string, TorchTensor>>).get(0)!.get('momentum_buffer')!;
  deepStrictEqual(await momentum.read(), Float32Array.of(1, 2, 3));
});

test('storages lie at multiples of 64 bytes', async () => {
  const odd = Array.from({ length: 5 }, (_, i) => new NdArray('uint8', [i + 1], new Uint8Array(i + 1).fill(0xa0 + i)));
  await writeTorch(path, odd);
  const bytes = readFileSync(path);
  odd.forEach(({ data }, i) => assert.is(bytes.indexOf(Buffer.from(data as Uint8Array)) % 64, 0, String(i)));
});

test('a file that was replaced is not read from', async () => {
  await writeTorch(path, { a: new NdArray('float32', [1], Float32Array.of(1)) });
  const tensor = ((await readTorch(path)) as Map<string, TorchTensor>).get('a')!;
  await writeTorch(path, { a: new NdArray('float32', [1], Float32Array.of(2)) });
  const error = await rejection(tensor.read());
  assert.instance(error, CheckpointError);
  assert.match(error.message, /it was replaced while it was in use/);
});

/** An archive of stored entries. */
async function archive(entries: Record<string, Uint8Array | string>): Promise<Buffer> {
  const zip = new ZipWriter();
  const pieces: Uint8Array[] = [];
  for (const [name, content] of Object.entries(entries)) {
    for await (const piece of zip.entry(name, [typeof content === 'string' ? Buffer.from(content, 'latin1') : content]))
      pieces.push(piece);
  }
  pieces.push(...zip.end());
  return Buffer.concat(pieces);
}

async function refused(bytes: Uint8Array, message: RegExp): Promise<void> {
  writeFileSync(path, bytes);
  const begin = performance.now();
  const error = await rejection(readTorch(path));
  assert.instance(error, CheckpointError);
  assert.match(error.message, message);
  assert.ok(performance.now() - begin < 1000);
}

const PICKLE = '\x80\x02}q\x00.';
/** `_rebuild_tensor_v2` of a view of storage 0, which has `count` floats. */
const tensorPickle = (count: number, view: string): Uint8Array =>
  Buffer.from(
    `ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI${count}\ntQ${view}I00\nNtR.`,
    'latin1',
  );

test('archives that lie are refused', async () => {
  const good = await archive({ 'archive/data.pkl': PICKLE, 'archive/version': '3\n' });
  writeFileSync(path, good);
  deepStrictEqual(await readTorch(path), new Map());

  await refused(await archive({ '../../etc/data.pkl': PICKLE }), /invalid relative path/);
  await refused(await archive({ '/etc/data.pkl': PICKLE }), /absolute path/);
  await refused(await archive({ 'a\\..\\data.pkl': PICKLE }), /invalid characters in fileName/);
  await refused(await archive({ 'a/other': PICKLE }), /no single data\.pkl/);
  await refused(await archive({ 'a/data.pkl': PICKLE, 'b/data.pkl': PICKLE }), /no single data\.pkl/);
  await refused(await archive({ 'a/data.pkl': PICKLE, 'a/constants.pkl': PICKLE }), /TorchScript/);
  await refused(await archive({ 'a/data.pkl': PICKLE, 'a/byteorder': 'middle' }), /byte order is "middle"/);
  await refused(await archive({ 'a/data.pkl': 'cos\nsystem\n(S"true"\ntR.' }), /asks for "os\.system"/);

  const name = Buffer.from('a/data/0');
  const twice = await archive({ 'a/data.pkl': PICKLE, 'a/data/0': 'x', 'a/data/1': 'y' });
  const renamed = Buffer.from(twice.toString('latin1').replaceAll('a/data/1', name.toString()), 'latin1');
  await refused(renamed, /"a\/data\/0" is in it twice/);

  /** The directory's record of the entry with a field changed. */
  const altered = (archived: Buffer, field: number, value: number): Buffer => {
    const copy = Buffer.from(archived);
    const record = copy.lastIndexOf(Buffer.from('archive/version')) - 46;
    copy.writeUInt32LE(value, record + field);
    return copy;
  };
  const [STORED, SIZE, OFFSET] = [20, 24, 42];
  await refused(altered(good, SIZE, 2 ** 31), /size mismatch/);
  await refused(altered(altered(good, SIZE, 2 ** 31), STORED, 2 ** 31), /file data overflows file bounds/);
  await refused(altered(good, OFFSET, 0), /overlaps another entry/);
  await refused(altered(good, OFFSET, 0xfffffff0), /truncated/);

  const bomb = deflated(good, 'archive/version', deflateRawSync(Buffer.alloc(300_000_000)), 300_000_000);
  await refused(bomb, /claim to unpack to 300000/);
});

/** The archive with its last entry replaced by a deflated one. */
function deflated(archived: Buffer, name: string, packed: Buffer, size: number): Buffer {
  const directory = archived.indexOf(Buffer.from('PK\x01\x02'));
  const local = archived.lastIndexOf(Buffer.from('PK\x03\x04'), directory);
  const start = Buffer.alloc(30);
  archived.copy(start, 0, local, local + 26);
  start.writeUInt16LE(8, 8);
  start.writeUInt16LE(name.length, 26);
  const body = Buffer.concat([archived.subarray(0, local), start, Buffer.from(name), packed]);
  const records = Buffer.from(archived.subarray(directory));
  const record = records.lastIndexOf(Buffer.from(name)) - 46;
  records.writeUInt16LE(8, record + 10);
  records.writeUInt32LE(packed.length, record + 20);
  records.writeUInt32LE(size, record + 24);
  records.writeUInt32LE(body.length, records.length - 6);
  return Buffer.concat([body, records]);
}

test('deflated entries are read, and only as far as they say', async () => {
  const values = new Float32Array(64).fill(2);
  const content = Buffer.from(values.buffer);
  const pickle = tensorPickle(64, 'I0\n(I64\nt(I1\nt');
  const plain = await archive({ 'a/data.pkl': pickle, 'a/data/0': content });
  writeFileSync(path, deflated(plain, 'a/data/0', deflateRawSync(content), content.length));
  const tensor = (await readTorch(path)) as TorchTensor;
  deepStrictEqual(await tensor.read(62, 2), Float32Array.of(2, 2));

  writeFileSync(path, deflated(plain, 'a/data/0', deflateRawSync(Buffer.alloc(1_000_000)), content.length));
  const error = await rejection(((await readTorch(path)) as TorchTensor).read());
  assert.instance(error, CheckpointError);
  assert.match(error.message, /"a\/data\/0" in it is damaged/);
});

test('tensors that do not fit their storage are refused', async () => {
  const content = new Uint8Array(24);
  const views: [string, RegExp][] = [
    ['I0\n(I7\nt(I1\nt', /reaches beyond its storage of 6 elements/],
    ['I4\n(I3\nt(I1\nt', /reaches beyond/],
    ['I0\n(I2\nI2\nt(I5\nI1\nt', /reaches beyond/],
    ['I-1\n(I2\nt(I1\nt', /impossible shape/],
    ['I0\n(I-2\nt(I1\nt', /impossible shape/],
    ['I0\n(I2\nt(I-1\nt', /impossible strides/],
    ['I0\n(I2\nt(I1\nI1\nt', /impossible strides/],
    ['I0\n(I1000000\nI1000000\nt(I0\nI0\nt', /is a view of only 6 elements/],
  ];
  for (const [view, message] of views) {
    await refused(await archive({ 'a/data.pkl': tensorPickle(6, view), 'a/data/0': content }), message);
  }
  const whole = 'I0\n(I6\nt(I1\nt';
  await refused(await archive({ 'a/data.pkl': tensorPickle(5, whole), 'a/data/0': content }), /has 24 bytes/);
  await refused(await archive({ 'a/data.pkl': tensorPickle(6, whole) }), /storage "0" is missing/);
});

test.run();
