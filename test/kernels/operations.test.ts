/** What operations say of themselves agrees with the references; classes of shapes are stable. */
import {
  type ConvShape,
  convForwardOperation,
  convInputGradientOperation,
  convWeightGradientOperation,
  gemmOperation,
  type Operation,
  operationOf,
  outputHeight,
  outputWidth,
  planeClass,
  sizeClass,
} from '@cim/kernels';
import * as conv from '@cim/kernels/conv/conv.reference';
import { gemm } from '@cim/kernels/gemm/gemm.reference';
import { expectClose, randomArray } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('operations');

const shape: ConvShape = { n: 2, ci: 3, h: 9, w: 7, co: 4, kh: 3, kw: 2, stride: 2, padding: 1, dilation: 2 };

/** The output as its terms say. */
function evaluate(operation: Operation, inputs: Record<string, Float32Array>): Float64Array {
  const [a, b] = operation.factors.map((name) => inputs[name]);
  return Float64Array.from({ length: operation.operands[operation.output] }, (_, index) => {
    let sum = 0;
    operation.terms(index, (i, j) => {
      sum += a[i] * b[j];
    });
    return sum;
  });
}

const inputsOf = ({ operands }: Operation): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(operands).map(([name, size], i) => [name, randomArray([size], i + 1)]));

test('the terms of a convolution and of its gradients', () => {
  for (const s of [shape, { ...shape, stride: 1, padding: 2 }, { ...shape, stride: 3, dilation: 1, padding: 0 }]) {
    const cases: [Operation, (i: Record<string, Float32Array>) => Float64Array][] = [
      [convForwardOperation(s), ({ x, weight }) => conv.convForward(s, x, weight, null, false)],
      [convInputGradientOperation(s), ({ dy, weight }) => conv.convInputGradient(s, dy, weight)],
      [convWeightGradientOperation(s), ({ x, dy }) => conv.convWeightGradient(s, x, dy)],
    ];
    for (const [operation, reference] of cases) {
      const inputs = inputsOf(operation);
      expectClose(evaluate(operation, inputs), reference(inputs), { absolute: 1e-9 }, operation.id);
    }
  }
});

test('the terms of a matrix product, in all layouts', () => {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const product = { m: 3, n: 5, k: 7, transposeA, transposeB };
      const operation = gemmOperation(product);
      const { a, b } = inputsOf(operation);
      expectClose(evaluate(operation, { a, b }), gemm(product, a, b), { absolute: 1e-9 }, operation.id);
    }
  }
});

test('sizes are exact to 16, then in quarters of a power of two', () => {
  assert.equal([1, 7, 15, 16].map(sizeClass), [1, 7, 15, 16]);
  assert.equal([17, 20, 21, 32, 33, 40, 41, 64, 65].map(sizeClass), [20, 20, 24, 32, 40, 40, 48, 64, 80]);
  for (let size = 17; size < 5000; size++) {
    const end = sizeClass(size);
    assert.ok(end >= size && end <= size * 1.25, String(size));
    assert.is(sizeClass(end), end);
  }
});

test('small images are told apart by their sides, large ones by their pixels', () => {
  assert.is(planeClass(7, 7), '7x7');
  assert.is(planeClass(7, 30), '7x32');
  assert.is(planeClass(32, 40), '1280px');
  assert.is(planeClass(40, 31), planeClass(31, 40));
  assert.is(planeClass(32, 39), planeClass(32, 40));
});

test('keys stay as they are: they name files and entries of shipped tables', () => {
  const layer = { n: 1, ci: 48, h: 118, w: 160, co: 64, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
  const { id, key } = convForwardOperation(layer);
  assert.is(id, 'conv.forward-48-64-3x3-s1-p1-d1-n1-118x160');
  assert.is(key, 'conv.forward-48-64-3x3-s1-p1-d1-n1-20480px');
  assert.is(convForwardOperation({ ...layer, h: 120 }).key, key);
  assert.is.not(convInputGradientOperation(layer).key, key);
  for (const change of ['ci', 'co', 'kh', 'kw', 'stride', 'padding', 'dilation'] as const) {
    assert.is.not(convForwardOperation({ ...layer, [change]: layer[change] + 1 }).key, key, change);
  }
  assert.is(gemmOperation({ m: 200, n: 1024, k: 12544, transposeB: true }).key, 'gemm-nt-224x1024x14336');
  assert.is.not(gemmOperation({ m: 200, n: 1024, k: 12544 }).key, 'gemm-nt-224x1024x14336');
  for (const one of [key, gemmOperation({ m: 1, n: 2, k: 3 }).key]) assert.match(one, /^[\w.-]+$/);
});

test('an operation is found by its family; its output has the size of its shape', () => {
  const operation = operationOf({ family: 'conv.forward', shape });
  assert.is(operation?.id, convForwardOperation(shape).id);
  assert.is(operation?.operands.y, shape.n * shape.co * outputHeight(shape) * outputWidth(shape));
  for (const family of ['conv.backward', 'toString']) assert.is(operationOf({ family, shape }), undefined);
});

test.run();
