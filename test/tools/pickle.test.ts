/** Python pickles: what Python writes is read, what is written Python's way is read back, nothing is executed. */
import { deepStrictEqual } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '@cim/tools/errors';
import { NdArray, narrowFloat16, ObjectArray } from '@cim/tools/formats/ndarray';
import {
  encodePickle,
  type Picklable,
  PickleObject,
  parsePickle,
  readPickle,
  Tuple,
  writePickle,
} from '@cim/tools/formats/pickle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('pickle');
const folder = temporaryFolder('pickle');

const fixtures = JSON.parse(readFileSync(new URL('python-pickles.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>;
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const parse = (text: string): unknown => parsePickle(bytesOf(text), 'x.pkl');
const array = <D extends 'float16' | 'float32' | 'int32' | 'int64' | 'bool' | 'uint16'>(
  dtype: D,
  shape: number[],
  data: NdArray<D>['data'],
): NdArray<D> => new NdArray(dtype, shape, data);

/** What every fixture holds. */
const f4 = array('float32', [2, 3], Float32Array.of(0, 1, 2, 3, 4, 5));
const EXPECTED = new Map<unknown, unknown>([
  ['ints', [0, 1, -1, 255, 256, 65536, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, 2n ** 64n, -(2n ** 70n)]],
  ['floats', [0.5, -1e300, Infinity]],
  ['text', 'h\u00e9\n\\ "quoted" \u6f22 \u{1f600}'],
  ['bytes', Uint8Array.of(0, 255, 10)],
  ['flags', Tuple.of<unknown>(true, false, null)],
  ['tuples', Tuple.from([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map((items) => Tuple.from(items)))],
  ['set', new Set([3])],
  ['frozen', new Set([4])],
  ['bytearray', Uint8Array.of(97, 98)],
  ['f2', array('float16', [2, 2], narrowFloat16([1, 0.5, 65504, 6e-8]))],
  ['f4', f4],
  ['big', array('int32', [2], Int32Array.of(1, 2))],
  ['i8', array('int64', [], BigInt64Array.of(-5n))],
  ['bool', array('bool', [2], Uint8Array.of(1, 0))],
  ['u2', array('uint16', [2], Uint16Array.of(1, 65535))],
  ['scalar', 0.25],
  ['objects', new ObjectArray([2], [new Map([['a', 1]]), [2]])],
  [
    'args',
    new PickleObject(
      'argparse.Namespace',
      Tuple.of(),
      new Map<unknown, unknown>([
        ['lr', 0.1],
        ['name', 'x'],
      ]),
    ),
  ],
  ['shared', [f4, f4]],
  [7, 'int key'],
]);

for (const [name, text] of Object.entries(fixtures)) {
  test(`${name} is read`, () => {
    const value = parsePickle(new Uint8Array(Buffer.from(text, 'base64')), name) as Map<unknown, unknown>;
    assert.equal([...value.keys()], [...EXPECTED.keys()]);
    for (const [key, expected] of EXPECTED) {
      const found = value.get(key);
      if (key === 'args') (found as { args: unknown }).args = Tuple.of(); // empty in every protocol
      deepStrictEqual(bare(found), bare(expected), String(key));
    }
  });
}

/** Buffers as plain byte arrays. */
const bare = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? Uint8Array.from(value)
    : Array.isArray(value) && !(value instanceof Tuple)
      ? value.map(bare)
      : value;

test('what is written is read back', async () => {
  const path = join(folder, 'a.pkl');
  const value = new Map([...EXPECTED].filter(([key]) => key !== 'args' && key !== 'objects')) as Map<
    Picklable,
    Picklable
  >;
  value.set(
    'long',
    Array.from({ length: 2500 }, (_, i) => i),
  );
  value.set('masks', array('bool', [300, 7, 7], new Uint8Array(300 * 49).fill(1)));
  await writePickle(path, value);
  const back = (await readPickle(path)) as Map<unknown, unknown>;
  assert.equal([...back.keys()], [...value.keys()]);
  for (const [key, expected] of value) deepStrictEqual(bare(back.get(key)), bare(expected), String(key));
  await writePickle(path, { a: [1, { b: null }], c: Number.NaN });
  deepStrictEqual(
    await readPickle(path),
    new Map<string, unknown>([
      ['a', [1, new Map([['b', null]])]],
      ['c', Number.NaN],
    ]),
  );
});

test('every kind of array is written', () => {
  const rows: [NdArray['dtype'], NdArray['data']][] = [
    ['bool', Uint8Array.of(1, 0)],
    ['uint8', Uint8Array.of(1, 255)],
    ['int8', Int8Array.of(-1, 127)],
    ['uint16', Uint16Array.of(1, 65535)],
    ['int16', Int16Array.of(-2, 3)],
    ['uint32', Uint32Array.of(1, 2 ** 32 - 1)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1)],
    ['uint64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ['int64', BigInt64Array.of(-1n, 2n ** 63n - 1n)],
    ['float16', Uint16Array.of(0x3c00, 0x7c00)],
    ['float32', Float32Array.of(1.5, Number.NaN)],
    ['float64', Float64Array.of(Math.PI, -0)],
  ];
  for (const [dtype, data] of rows) {
    const value = new NdArray(dtype, [1, 2], data);
    const back = parsePickle(Buffer.concat([...encodePickle([value, value])]), dtype);
    deepStrictEqual(back, [value, value]);
  }
});

test('classes of objects are not written as if they were dicts', async () => {
  const error = await rejection(() => [...encodePickle(new Date() as never)]);
  assert.instance(error, DataError);
  assert.match(error.message, /type Date cannot be written/);
});

test('nothing that a pickle names is executed', async () => {
  const marker = join(folder, 'executed');
  const calls = {
    'os.system': `cos\nsystem\n(S'touch ${marker}'\ntR.`,
    'posix.system': `cposix\nsystem\n(S'touch ${marker}'\ntR.`,
    'builtins.eval': `cbuiltins\neval\n(S'open("${marker}","w")'\ntR.`,
    'builtins.getattr': "cbuiltins\ngetattr\n(cbuiltins\nlist\nS'append'\ntR.",
    'subprocess.Popen': `\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93(X\x05\x00\x00\x00touch\x85\x52.`,
    'os.remove': `(ios\nremove\n.`,
    'constructor.constructor': 'cconstructor\nconstructor\n.',
    '__proto__.toString': 'c__proto__\ntoString\n.',
  };
  for (const [name, text] of Object.entries(calls)) {
    const error = await rejection(() => parse(text));
    assert.instance(error, DataError, name);
    assert.match(error.message, `asks for "${name}", which is not on the list of harmless names`);
  }
  assert.not(existsSync(marker));
});

test('keys that mean something to JavaScript are only keys', () => {
  const value = parse("(dS'__proto__'\n(dS'polluted'\nI01\nss.") as Map<unknown, unknown>;
  deepStrictEqual(value.get('__proto__'), new Map([['polluted', true]]));
  assert.not('polluted' in {});
});

test('values that could not be walked are refused', async () => {
  const cases: [string, RegExp][] = [
    [']q\x00h\x00a.', /contains itself/],
    [`${']'.repeat(100_000)}${'a'.repeat(99_999)}.`, /nested more than 200 deep/],
    [`]${'\x85'.repeat(100_000)}.`, /nested more than 200 deep/],
    [`]q\x00${Array.from({ length: 40 }, () => '(h\x00h\x00lq\x00').join('')}.`, /holds more than \d+ values/],
    ['cnumpy.core.multiarray\n_reconstruct\n(tR.', /half-built/],
    ['cbuiltins\nlist\n.', /half-built/],
  ];
  for (const [text, message] of cases) {
    const error = await rejection(() => parse(text));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
});

test('lengths that are not there, and absurd sizes, are refused at once', async () => {
  const dtype = "cnumpy\ndtype\n(S'f4'\ntR";
  const make = (shape: string): string =>
    `cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(${shape}t${dtype}I00\nS''\ntb.`;
  const cases: [string, RegExp][] = [
    ['', /truncated/],
    ['\x80\x06.', /protocol 6/],
    ['B\xff\xff\xff\xffabc.', /truncated at byte 9/],
    ['\x8e\xff\xff\xff\xff\xff\xff\xff\xff.', /truncated/],
    [`\x8a\xff${'\x01'.repeat(255)}.`, /an integer of 255 bytes/],
    [`I${'9'.repeat(1000)}\n.`, /not an integer it can hold/],
    ['cbuiltins\nbytearray\n(I100000000000\ntR.', /bytes are made of something else/],
    [make('I1000000\nI1000000\nI100\n'), /needs 4\d* bytes and has 0/],
    [make('I-1\n'), /impossible shape/],
    [make('I0\nI99999999999999999999\n'), /impossible shape/],
    ['.', /empty stack/],
    ['t.', /a mark that is not there/],
    ['h\x05.', /never stored/],
    ['Nb.', /without any/],
    ['P0\n.', /outside of the file/],
    ['\xff.', /no opcode 0xff/],
    ['S"abc\n.', /without quotes/],
    ['X\x02\x00\x00\x00\xff\xff.', /not UTF-8/],
  ];
  for (const [text, message] of cases) {
    const error = await rejection(() => parse(text));
    assert.instance(error, DataError, JSON.stringify(text));
    assert.match(error.message, message);
  }
});

test('a missing file and a folder are named', async () => {
  for (const [path, reason] of [
    [join(folder, 'missing.pkl'), /missing\.pkl: there is no such file/],
    [folder, /it is not a file|it is a folder/],
  ] as const) {
    const error = await rejection(readPickle(path));
    assert.instance(error, DataError);
    assert.match(error.message, reason);
  }
});

test.run();
