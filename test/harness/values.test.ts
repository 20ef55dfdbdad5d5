/** Inputs, combinations and comparisons: no GPU. */
import {
  combine,
  EXTREMES,
  expectClose,
  expectGradients,
  randomArray,
  randomIntegers,
  type Tolerance,
  ulpDistance,
  withExtremes,
} from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('values');
const { nan, ...numbers } = EXTREMES;

test('combinations vary the last parameter fastest and name themselves', () => {
  const cases = combine({ n: [1, 63], relu: [false, true], shape: [[2, 3]] });
  assert.equal(
    cases.map(({ n, relu }) => [n, relu]),
    [
      [1, false],
      [1, true],
      [63, false],
      [63, true],
    ],
  );
  assert.is(`${cases[3]}`, 'n=63 relu=true shape=[2,3]');
  assert.equal(Object.keys(cases[0]), ['n', 'relu', 'shape']);
  assert.is(`${combine({ n: [1, 2] }).filter(({ n }) => n > 1)}`, 'n=2');
  assert.throws(() => combine({ n: [1], empty: [] }), /The parameter empty has no values/);
});

test('inputs depend on their seed alone and keep to their range', () => {
  assert.equal(randomArray([3, 4], 1), randomArray([12], 1));
  assert.not.equal(randomArray([12], 1), randomArray([12], 2));
  const values = randomArray([1000], 1, 2, 5);
  assert.ok(values.every((v) => v >= 2 && v < 5));
  const integers = randomIntegers([1000], 1, -3, 3);
  assert.equal(
    [...new Set(integers)].sort((a, b) => a - b),
    [-3, -2, -1, 0, 1, 2],
  );
});

test('extremes are all there, in an eighth of the values', () => {
  const values = randomArray([800], 1);
  const extreme = withExtremes(values, 1, ['zeros', 'denormals', 'limits', 'infinities', 'nan']);
  for (const value of [...Object.values(numbers).flat(), ...nan]) {
    assert.ok(
      extreme.some((v) => Object.is(v, value)),
      String(value),
    );
  }
  assert.is(extreme.filter((v, i) => v !== values[i]).length, 100);
  assert.ok(withExtremes(values, 1).every(Number.isFinite));
  assert.equal(withExtremes(values, 3), withExtremes(values, 3));
});

test('distances in units of the last place', () => {
  const next = 1 + 2 ** -23;
  assert.is(ulpDistance(1, next), 1);
  assert.is(ulpDistance(next, 1), 1);
  assert.is(ulpDistance(0, -0), 0);
  assert.is(ulpDistance(2 ** -149, -(2 ** -149)), 2);
  assert.is(ulpDistance(1, 1 + 1e-12), 0);
  assert.is(ulpDistance((2 - 2 ** -23) * 2 ** 127, Infinity), 1);
  assert.is(ulpDistance(NaN, NaN), 0);
  assert.is(ulpDistance(NaN, 1), Infinity);
});

const passing: Record<string, [number[], number[], Tolerance?]> = {
  nothing: [[], []],
  'NaN where NaN is expected': [
    [NaN, 1],
    [NaN, 1],
  ],
  'the same infinity': [
    [Infinity, -Infinity],
    [Infinity, -Infinity],
  ],
  'zeros of both signs': [[0, -0], [-0, 0], { relative: 0, scaled: 0 }],
  relative: [[1.0009], [1], { relative: 1e-3, scaled: 0 }],
  'scaled to the largest': [[0.05, 100], [0, 100], { relative: 0, scaled: 1e-3 }],
  absolute: [[0.05, 1], [0, 1], { relative: 0, scaled: 0, absolute: 0.06 }],
  'one number further': [[1 + 2 ** -23], [1], { ulp: 1 }],
  'ULP or absolute': [[1 + 2 ** -23, 1e-9], [1, 0], { ulp: 1, absolute: 1e-8 }],
};
for (const [name, [actual, expected, tolerance]] of Object.entries(passing)) {
  test(`close enough: ${name}`, () => expectClose(actual, expected, tolerance));
}

const failing: Record<string, [number[], number[], Tolerance, RegExp]> = {
  'another length': [[1], [1, 2], {}, /^x: 1 elements, expected 2\.$/],
  'a wrong shape': [[1], [1], { shape: [2] }, /^x: the shape \[2\] has 2 elements, not 1\.$/],
  NaN: [[1, NaN], [1, 2], {}, /1 of 2 .*element 1, is NaN, expected 2: NaN where a number is expected\.$/],
  'a number for NaN': [[1, 2], [1, NaN], {}, /element 1, is 2, expected NaN: a number where NaN is expected\.$/],
  infinity: [[Infinity], [1], {}, /is Infinity, expected 1: infinitely far\.$/],
  'the other infinity': [[-Infinity], [Infinity], {}, /is -Infinity, expected Infinity: infinitely far\.$/],
  'an infinity elsewhere does not widen': [[Infinity, 2], [Infinity, 1], {}, /1 of 2 .*element 1, is 2/],
  'the worst of several': [
    [0, 1.5, 3, 2, 1, 0],
    [0, 1, 1, 2, 1.25, 0],
    { shape: [2, 3] },
    /^x: 3 of 6 elements are out of tolerance \(relative 0.0001, scaled 0.00001\)\. The worst, \[0, 2\] \(element 2\), is 3, expected 1: off by 2 \(12582912 ULP\), 0.00012 is allowed\.$/,
  ],
  'two numbers further': [[1 + 2 ** -22], [1], { ulp: 1 }, /\(ulp 1\).*\(2 ULP\)/],
  exactly: [[1e-9], [0], { relative: 0, scaled: 0 }, /\(exact\)/],
  'negative zero is shown': [[1], [-0], {}, /expected -0/],
};
for (const [name, [actual, expected, tolerance, message]] of Object.entries(failing)) {
  test(`not close enough: ${name}`, async () => {
    const error = await rejection(() => expectClose(actual, expected, tolerance, 'x'));
    assert.ok(message.test(error.message), error.message);
  });
}

test('gradients: right ones pass, wrong ones are named', async () => {
  const inputs = [randomArray([7], 1, 0.5, 2), randomArray([7], 2)];
  const forward = ([a, b]: readonly Float32Array[]): Float32Array => a.map((v, i) => v * v * b[i]);
  const right = ([a, b]: readonly Float32Array[], g: Float32Array): Float32Array[] => [
    g.map((v, i) => 2 * a[i] * b[i] * v),
    g.map((v, i) => a[i] * a[i] * v),
  ];
  await expectGradients({ forward, backward: right }, inputs);
  const wrong: typeof right = (values, g) => [right(values, g)[0], right(values, g)[1].map((v) => 1.1 * v)];
  const { message } = await rejection(expectGradients({ forward, backward: wrong }, inputs));
  assert.match(message, /^gradient of input 1 along direction 1: 1 of 1 elements are out of tolerance/);
  const short: typeof right = (values, g) => [right(values, g)[0].subarray(1)];
  const { message: length } = await rejection(expectGradients({ forward, backward: short }, inputs));
  assert.is(length, 'gradient of input 0: 6 elements, expected 7.');
});

test.run();
