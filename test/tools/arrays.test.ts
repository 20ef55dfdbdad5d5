/** .npy and MATLAB files, as NumPy and SciPy write them. */
import { deepStrictEqual } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { DataError } from '@cim/tools/errors';
import { parseMat, readMat } from '@cim/tools/formats/mat';
import { type DType, NdArray, narrowFloat16, ObjectArray } from '@cim/tools/formats/ndarray';
import { parseNpy, readNpy } from '@cim/tools/formats/numpy';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('arrays');
const folder = temporaryFolder('arrays');
const files = JSON.parse(readFileSync(new URL('python-arrays.json', import.meta.url), 'utf8')) as Record<
  'npy' | 'mat',
  Record<string, string>
>;
const bytesOf = (kind: 'npy' | 'mat', name: string): Uint8Array =>
  new Uint8Array(Buffer.from(files[kind][name], 'base64'));

const matrix = new NdArray('float32', [2, 3], Float32Array.of(0, 1, 2, 3, 4, 5));
const NPY: Record<string, NdArray | ObjectArray> = {
  float32: matrix,
  fortran: matrix,
  'version 2': matrix,
  'version 3': matrix,
  'big-endian': matrix,
  scalar: new NdArray('float64', [], Float64Array.of(2.5)),
  bool: new NdArray('bool', [2], Uint8Array.of(1, 0)),
  empty: new NdArray('int16', [0, 4], new Int16Array()),
  float16: new NdArray('float16', [2, 3], narrowFloat16([0, 1, 2, 3, 4, 5])),
  int64: new NdArray('int64', [2], BigInt64Array.of(2n ** 40n, -1n)),
  dict: new ObjectArray(
    [],
    [new Map([[2007000032, new NdArray('float32', [20], Float32Array.of(1, ...new Array(19).fill(0)))]])],
  ),
  objects: new ObjectArray([2, 2], [1, 'a', null, [2]]),
};

for (const [name, expected] of Object.entries(NPY)) {
  test(`.npy, ${name}`, async () => {
    const path = join(folder, 'a.npy');
    writeFileSync(path, bytesOf('npy', name));
    deepStrictEqual(await readNpy(path), expected);
  });
}

test('.npy of text and records, and damaged ones, are refused', async () => {
  const whole = bytesOf('npy', 'float32');
  const withHeader = (header: string): Uint8Array =>
    Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Uint8Array.of(header.length, 0), Buffer.from(header)]);
  const cases: [Uint8Array, RegExp][] = [
    [bytesOf('npy', 'text'), /elements of type "<U1"/],
    [bytesOf('npy', 'record'), /its header is/],
    [whole.slice(0, 5), /not a \.npy file/],
    [whole.slice(0, 40), /truncated/],
    [whole.slice(0, -1), /needs 24 bytes, it has 23/],
    [
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"),
      /needs 4000000000000 bytes/,
    ],
    [withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999, 0), }"), /impossible shape/],
    [withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (), }"), /truncated/],
    [withHeader("__import__('os').system('true')"), /its header is/],
  ];
  for (const [bytes, message] of cases) {
    const error = await rejection(() => parseNpy(bytes, 'a.npy'));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
});

/** [3, 2, 4] with two ones. */
const masks = new Uint8Array(24);
masks[1 * 8 + 1 * 4 + 3] = 1;
masks[2 * 8 + 0 * 4 + 1] = 1;
const mask = (n: number): NdArray => new NdArray('uint8', [2, 4], masks.slice(8 * n, 8 * n + 8));

for (const name of ['compressed', 'plain']) {
  test(`.mat, ${name}: numbers of every class, cells, text and structs`, async () => {
    const path = join(folder, 'a.mat');
    writeFileSync(path, bytesOf('mat', name));
    const variables = await readMat(path);
    deepStrictEqual(variables.get('maskmat'), new NdArray('uint8', [3, 2, 4], masks));
    deepStrictEqual(variables.get('cells'), new ObjectArray([3, 1], [mask(0), mask(1), mask(2)]));
    deepStrictEqual(variables.get('logical'), mask(1));
    assert.is(variables.get('note'), 'caf\u00e9');
    deepStrictEqual(variables.get('empty'), new NdArray('float64', [0, 0], new Float64Array()));
    const fields = variables.get('s') as Record<string, ObjectArray>;
    assert.equal(Object.keys(fields), ['name', 'n']);
    deepStrictEqual(fields.n.items, [new NdArray('float64', [1, 1], Float64Array.of(1.5))]);
    assert.equal(fields.name.items, ['x']);
    const classes: DType[] = [
      'int8',
      'uint8',
      'int16',
      'uint16',
      'int32',
      'uint32',
      'int64',
      'uint64',
      'float32',
      'float64',
    ];
    for (const dtype of classes) {
      const array = variables.get(`v_${dtype}`) as NdArray;
      assert.equal([array.dtype, array.shape, array.toNumbers()], [dtype, [2, 3], [1, 2, 3, 4, 5, 6]]);
    }
    assert.equal([...(await readMat(path, { names: ['note'] })).keys()], ['note']);
  });
}

/** A MATLAB file of either byte order: elements are [type, content], or a list of those. */
type Element = readonly [type: number, content: Uint8Array | readonly Element[]];

function encode([type, content]: Element, little: boolean): Uint8Array {
  const body =
    content instanceof Uint8Array ? content : Buffer.concat(content.map((element) => encode(element, little)));
  const tag = words([type, body.length], little);
  return Buffer.concat([tag, body, new Uint8Array(type === COMPRESSED ? 0 : -body.length & 7)]);
}
function words(values: readonly number[], little: boolean): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => (little ? bytes.writeUInt32LE(value, 4 * i) : bytes.writeUInt32BE(value, 4 * i)));
  return bytes;
}
function file(elements: readonly Element[], little: boolean): Uint8Array {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file', 0, 'latin1');
  if (little) header.writeUInt16LE(0x0100, 124);
  else header.writeUInt16BE(0x0100, 124);
  header.write(little ? 'IM' : 'MI', 126, 'latin1');
  return Buffer.concat([header, ...elements.map((element) => encode(element, little))]);
}
const [INT8, UINT8, INT32, UINT32, MATRIX, COMPRESSED] = [1, 2, 5, 6, 14, 15];
const [CELL, DOUBLE, BYTES] = [1, 6, 9];
const array = (kind: number, shape: number[], little: boolean, ...content: Element[]): Element => [
  MATRIX,
  [[UINT32, words([kind, 0], little)], [INT32, words(shape, little)], [INT8, Buffer.from('x')], ...content],
];

for (const little of [true, false]) {
  test(`.mat of ${little ? 'little' : 'big'} endianness; doubles stored as bytes`, async () => {
    const bytes = file([array(DOUBLE, [2, 2], little, [UINT8, Uint8Array.of(1, 2, 3, 4)])], little);
    const variables = await parseMat(bytes, 'a.mat');
    deepStrictEqual(variables.get('x'), new NdArray('float64', [2, 2], Float64Array.of(1, 3, 2, 4)));
    const packed: Element = [
      COMPRESSED,
      deflateSync(encode(array(DOUBLE, [1, 1], little, [UINT8, Uint8Array.of(7)]), little)),
    ];
    deepStrictEqual(
      (await parseMat(file([packed], little), 'a.mat')).get('x'),
      new NdArray('float64', [1, 1], Float64Array.of(7)),
    );
  });
}

test('.mat with absurd sizes, or of kinds without counterpart, is refused at once', async () => {
  const bytes: Element = [UINT8, Uint8Array.of(1, 2, 3, 4)];
  const lying = Buffer.from(deflateSync(Buffer.concat([words([MATRIX, 3_000_000_000], true), new Uint8Array(64)])));
  const bomb = deflateSync(Buffer.concat([words([MATRIX, 56], true), new Uint8Array(300_000_000)]));
  let nested: Element = array(BYTES, [1, 1], true, [UINT8, Uint8Array.of(1)]);
  for (let i = 0; i < 40; i++) nested = array(CELL, [1, 1], true, nested);
  const cases: [Uint8Array, RegExp][] = [
    [file([array(BYTES, [100_000, 100_000], true, bytes)], true), /more than 268435456 elements/],
    [file([array(BYTES, [30_000, 3000], true, bytes)], true), /has 4 elements/],
    [file([array(CELL, [30_000, 3000], true)], true), /truncated/],
    [file([array(BYTES, [0xffffffff, 2], true, bytes)], true), /impossible shape/],
    [file([array(99, [2, 2], true, bytes)], true), /MATLAB class 99/],
    [file([nested], true), /nested more than 16 deep/],
    [file([[COMPRESSED, lying]], true), /claims to unpack to 3000000000/],
    [file([[COMPRESSED, bomb]], true), /a compressed variable is damaged/],
    [file([[COMPRESSED, Uint8Array.of(1, 2, 3)]], true), /a compressed variable is damaged/],
    [file([bytes], true), /where a variable should be/],
    [Buffer.concat([file([], true), words([MATRIX, 0xfffffff0], true)]), /reaches beyond/],
    [bytesOf('mat', 'complex'), /"x" is complex/],
    [Buffer.from('MATLAB 7.3 MAT-file'.padEnd(200)), /save it with -v7/],
    [Buffer.from('\x89HDF'.padEnd(200), 'latin1'), /HDF5/],
    [new Uint8Array(500), /not a MATLAB v5 file/],
    [new Uint8Array(5), /not a MATLAB file/],
  ];
  for (const [content, message] of cases) {
    const begin = performance.now();
    const error = await rejection(parseMat(content, 'a.mat'));
    assert.instance(error, DataError);
    assert.match(error.message, message);
    assert.ok(performance.now() - begin < 2000, error.message);
  }
  const wanted = await parseMat(bytesOf('mat', 'complex'), 'a.mat', { names: ['ok'] });
  assert.equal([...wanted.keys()], ['ok']);
});

test('float16 rounds to nearest, ties to even', () => {
  const numbers = [
    0,
    -0,
    1,
    65504,
    65519,
    65520,
    1e-8,
    2 ** -24,
    2 ** -25,
    3 * 2 ** -25,
    0.1,
    2049,
    2051,
    1 - 2 ** -12,
    Number.NaN,
  ];
  const bits = [0, 0x8000, 0x3c00, 0x7bff, 0x7bff, 0x7c00, 0, 1, 0, 2, 0x2e66, 0x6800, 0x6802, 0x3c00, 0x7e00];
  assert.equal([...narrowFloat16(numbers)], bits);
});

test.run();
