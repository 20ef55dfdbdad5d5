/** Shaders run between guard zones: what is bound, what is caught beyond the ten mutants, what is left alone. */
import { defineKernel, read, u32, write } from '@cim/kernels/kernel';
import { step } from '@cim/kernels/plan';
import { executePlan, gpuTests, runKernel, runShader, ShaderDefectError } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';

const test = suite('shaders');
const gpuTest = gpuTests({ test });

/** One invocation an element of y; `i` is its index. */
const perElement = (body: string, element = 'f32'): string => /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<${element}>;
@group(0) @binding(1) var<storage, read_write> y: array<${element}>;
@group(0) @binding(2) var<uniform> size: u32;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= size) { return; }
  ${body}
}`;
const X = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const N = X.length;
const buffers = { x: X, y: N, size: Uint32Array.of(N) };

gpuTest('names bind, numbers take the type of the WGSL', async ({ gpu }) => {
  const doubled = await runShader(gpu, { code: perElement('y[i] = 2.0 * x[i];'), grid: 2 }, buffers);
  assert.equal(doubled, { y: Float32Array.from(X, (v) => 2 * v) });
  const integers = await runShader(gpu, { code: perElement('y[i] = -x[i];', 'i32'), grid: [2, 1] }, buffers);
  assert.equal(
    integers.y,
    Int32Array.from(X, (v) => -v),
  );
  const code = /* wgsl */ `
    struct Totals { sum: u32, largest: f32 }
    override BIAS: u32 = 0u;
    @binding(3) @group(1) var<storage, read_write> totals: Totals;
    @group(0) @binding(1) /* a comment, with var<storage> z: u32; */ var<storage, read> v: array<vec3u, 2>;
    @compute @workgroup_size(1) fn other() {}
    @compute @workgroup_size(1) fn total() { totals.sum = BIAS + v[0].x + v[1].z; totals.largest = 0.5; }`;
  const { totals } = await runShader(
    gpu,
    { code, entryPoint: 'total', constants: { BIAS: 100 }, grid: 1 },
    { totals: new Uint32Array(2), v: [1, 2, 3, 0, 4, 5, 6, 0] },
  );
  assert.is(totals[0], 107);
  assert.is(new Float32Array(totals.buffer)[1], 0.5);
});

gpuTest('an output that starts with values is read and written', async ({ gpu }) => {
  const { y } = await runShader(gpu, { code: perElement('y[i] += x[i];'), grid: 2 }, { ...buffers, y: X });
  assert.equal(
    [...y],
    X.map((v) => 2 * v),
  );
});

gpuTest('a shader that asks for the length gets that of the data', async ({ gpu }) => {
  const code = perElement('y[i] = f32(arrayLength(&x)) + x[min(i + 1u, arrayLength(&x) - 1u)];');
  const { y } = await runShader(gpu, { code, grid: 2 }, buffers);
  assert.equal(
    [...y],
    [...X.slice(1), N].map((v) => v + N),
  );
});

gpuTest('vectors may end beyond the data', async ({ gpu }) => {
  const code = perElement('y[i] = 2 * x[i];', 'vec4f');
  const { y } = await runShader(gpu, { code, grid: 1 }, { x: X, y: N, size: Uint32Array.of(3) });
  assert.equal(
    [...y],
    X.map((v) => 2 * v),
  );
});

const defects: Record<string, [body: string, found: RegExp]> = {
  'a write past the end': [
    'y[i] = x[i]; y[i + 1u] = x[i];',
    /^The shader main writes outside of y \(11 elements\): element 11, 1 past its last\.$/,
  ],
  'a write far away': ['y[i] = x[i]; y[i + 100000u] = 1.0;', /^The shader main writes outside of y \(11 elements\)/],
  'a read past the end': [
    'y[i] = max(x[i], x[i + 1u]);',
    /^The shader main reads outside of x \(11 elements\): what lies there changes y at element 10\.$/,
  ],
  'a read before the start': ['y[i] = x[i] + x[i - 1u];', /^The shader main reads (far )?outside of/],
  'a read far away': ['y[i] = x[i] + x[i * 100000u + 1u];', /^The shader main reads (far )?outside of/],
  'a negative index': ['y[i] = x[i] + x[i32(i) - 1];', /^The shader main reads (far )?outside of/],
  'an output read before it is written': [
    'y[i] = y[i] * (x[i] + 1.0);',
    /^The shader main reads y before writing it: what it held changes y at element 0 and 10 more\.$/,
  ],
  'unwritten elements': [
    'if (i != 4u) { y[i] = x[i]; }',
    /^The shader main leaves 1 of 11 elements of y unwritten, the first at 4\.$/,
  ],
  'the last writer wins': [
    'y[i] = x[i]; y[i & 8u] = f32(i);',
    /^The shader main depends on the order of its invocations: reversed, y at element 0 and 1 more changes\.$/,
  ],
};
for (const [name, [body, found]] of Object.entries(defects)) {
  gpuTest(`${name} is caught`, async ({ gpu }) => {
    const error = await rejection(runShader(gpu, { code: perElement(body), grid: 2 }, buffers));
    assert.instance(error, ShaderDefectError);
    assert.ok(found.test(error.message), error.message);
    assert.ok(error.remedy);
  });
}

gpuTest('a counter that gives out places runs without reordering', async ({ gpu }) => {
  const code = `
    @group(0) @binding(0) var<storage, read_write> count: atomic<u32>;
    @group(0) @binding(1) var<storage, read_write> list: array<u32>;
    @compute @workgroup_size(8)
    fn main(@builtin(local_invocation_index) lane: u32) { list[atomicAdd(&count, 1u)] = lane; }`;
  const given = { count: [0], list: 8 };
  const error = await rejection(runShader(gpu, { code, grid: 1 }, given));
  assert.match(
    error.message,
    'depends on the order of its invocations: reversed, list at element 0 and 7 more changes',
  );
  const { count, list } = await runShader(gpu, { code, grid: 1 }, given, { rewrite: false, repeats: 2 });
  assert.is(count[0], 8);
  assert.equal([...list].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

gpuTest('partial outputs may have gaps, scratch may hold anything', async ({ gpu }) => {
  const code = perElement('if (i % 2u == 0u) { y[i] = x[i]; }');
  const { y } = await runShader(gpu, { code, grid: 2 }, buffers, { partial: ['y'] });
  assert.equal(
    [...y].filter((_, i) => i % 2 === 0),
    X.filter((_, i) => i % 2 === 0),
  );
  assert.equal(await runShader(gpu, { code, grid: 2 }, buffers, { scratch: ['y'] }), {});
});

gpuTest('mistakes of the test are told', async ({ gpu }) => {
  const code = perElement('y[i] = x[i];');
  const failed = async (shader: string, given: Parameters<typeof runShader>[2]): Promise<string> =>
    (await rejection(runShader(gpu, { code: shader, grid: 2 }, given))).message;
  assert.is(await failed(code, { ...buffers, z: 3 }), 'The shader declares no buffer z.');
  assert.match(await failed(code, { ...buffers, x: 11 }), 'only reads x, but no values are given for it');
  assert.match(
    await failed(`${code} @compute @workgroup_size(1) fn f() {}`, buffers),
    '2 compute entry points: main, f',
  );
  assert.match(await failed(`struct S { v: f32 } ${code.replace('array<f32>;', 'array<S>;')}`, buffers), 'array<S>');
  assert.match(await failed(code.replace('@binding(0)', '@binding(A)'), buffers), 'The binding of x is not a number');
  assert.match(
    await failed(code.replace('y[i] = x[i]', 'y[i] = z'), buffers),
    /^The shader main is not valid\.\n9:10 .*z.*\n {4}9 \| {3}y\[i\] = z;\n {6}\| {10}\^$/,
  );
  const { x: _, ...withoutX } = buffers;
  assert.match(
    await failed(code, withoutX),
    /^The shader main is not valid\.\n[\s\S]*\n {4}2 \| @group\(0\) @binding\(0\)/,
  );
});

const shift = (n: number, by: number) =>
  defineKernel({
    name: 'test.shift',
    bindings: { x: read(), y: write() },
    uniforms: { n: u32(n), by: u32(by) },
    grid: [Math.ceil(n / 8), 1, 1],
    source: () => /* wgsl */ `
      @compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < u.n) { y[id.x] = x[id.x + u.by]; }
      }`,
  });

gpuTest('kernels and plans of them', async ({ device }) => {
  const { y } = await runKernel(device, shift(N, 0), { x: X, y: N });
  assert.equal([...y], X);
  const plan = {
    steps: [step(shift(N - 2, 2), { x: 'in', y: 'middle' }), step(shift(N - 3, 1), { x: 'middle', y: 'out' })],
    scratch: { middle: N - 2 },
  };
  const { out } = await executePlan(device, plan, { in: X, out: N - 3 });
  assert.equal([...out], X.slice(3));
  const outside = await rejection(runKernel(device, shift(N, 1), { x: X, y: N }));
  assert.ok(/^test\.shift reads outside of x \(11 elements\)/.test(outside.message), outside.message);
  const beyond = { ...plan, scratch: { middle: N - 4 } };
  const { message } = await rejection(executePlan(device, beyond, { in: X, out: N - 3 }));
  assert.match(message, /^test\.shift, then test\.shift writes outside of middle \(7 elements\): element 7/);
  assert.match((await rejection(executePlan(device, plan, { in: X }))).message, 'No values are given for out');
});

test.run();
