/** The golden files pass, and would not if they held anything else. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { axpy, VARIANTS } from '@cim/kernels';
import { type Plan, step } from '@cim/kernels/plan';
import * as reference from '@cim/kernels/reference';
import { compressRuns, type Rle } from '@cim/model/evaluate/rle';
import { functional as F } from '@cim/runtime';
import { randomArray, randomIntegers, testDevice, testDriver } from '@cim/runtime/testing';
import { DataError } from '@cim/tools/errors';
import { readJson } from '@cim/tools/formats/json-file';
import { readSafetensors, type SafeTensor, writeSafetensors } from '@cim/tools/formats/safetensors';
import { runOnSameBranches, runPinned } from '@cim/tools/verify/branches';
import { operation } from '@cim/tools/verify/case';
import type { Case } from '@cim/tools/verify/find-cases';
import type { VariantsReport } from '@cim/tools/verify/variants';
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
const cocoFiles = readdirSync(join(golden, 'coco'));
const formatFiles = readdirSync(join(golden, 'formats')).filter((name) => !name.endsWith('.safetensors'));
const cocoCases = cocoFiles.filter((name) => !/_(gt|dt_segm|dt_bbox)\./.test(name));

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

/** Keys of the JSON files whose values are outputs alone. */
const OUTPUT_KEYS =
  /^(area|bbox_xywh|iou|union|intersection|each|merged|segm|bbox|voc_report_segm|ap|expected|mean_ap|mean_corloc|ap_11_point|line|keep_in_ascending_index_order|per_class|best_box_and_score_per_class)$/;

/** A copy in which every number and text of an output is another. */
function alteredJson(value: unknown, isOutput = false): unknown {
  if (Array.isArray(value)) return value.map((entry) => alteredJson(entry, isOutput));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, entry]) => {
      // Under these names stand lists of cases, too.
      const isTable = /^(ap|iou)$/.test(key) && Array.isArray(entry) && !Array.isArray(entry[0]);
      return [key, alteredJson(entry, isOutput || (OUTPUT_KEYS.test(key) && !isTable))];
    });
    return Object.fromEntries(entries);
  }
  if (!isOutput) return value;
  return typeof value === 'number' ? value + 1 : `${value}?`;
}

/** rle.json: encodings are inputs of one comparison and outputs of another, so they are exchanged for other valid ones. */
function alteredRle(value: unknown): unknown {
  const file = alteredJson(value) as {
    masks: { bits_row_major: string }[];
    uncompressed: { size: [number, number]; counts: number[]; rle: Rle }[];
    boxes: { rles: string[]; area: number[] }[];
  };
  for (const mask of file.masks) mask.bits_row_major = mask.bits_row_major.replace(/./g, (bit) => String(1 - +bit));
  for (const mask of file.uncompressed) {
    const [height, width] = mask.size;
    const counts = Uint32Array.from(mask.counts[0] === height * width ? [0, height * width] : [height * width]);
    mask.rle = compressRuns({ height, width, counts });
  }
  for (const boxes of file.boxes) boxes.rles = boxes.rles.map((rle) => `${rle}?`);
  return file;
}

test('every golden file is covered and passes', async () => {
  const { known, passed, failed, notCovered, cases } = await verify(device, golden, ({ case: name, status, error }) => {
    assert.is(status, 'passed', `${name} ${error ?? ''}`);
  });
  const count = files.length + cocoCases.length + formatFiles.length;
  assert.equal([known, passed, failed, notCovered], [count, count, 0, 0]);
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

test('every comparison with a JSON file fails when it holds something else', async () => {
  const to = join(folder, 'coco');
  mkdirSync(to);
  for (const name of cocoFiles) copyFileSync(join(golden, 'coco', name), join(to, name));
  for (const name of cocoCases) {
    const value = await readJson(join(golden, 'coco', name));
    const changed = JSON.stringify(name === 'rle.json' ? alteredRle(value) : alteredJson(value));
    rmSync(join(to, name));
    writeFileSync(join(to, name.replace('.gz', '')), changed);
  }
  const { cases, known } = await verify(device, to, () => {});
  assert.is(known, cocoCases.length);
  const passed = cases.flatMap(({ case: name, comparisons }) =>
    comparisons.filter((one) => one.passed).map(({ tensor }) => `${name} ${tensor}`),
  );
  // Nothing to keep, nothing expected.
  assert.equal(passed, ['postprocess.json nms.0']);
  assert.equal(
    cases.filter(({ comparisons }) => comparisons.length === 0),
    [],
  );
});

test("every comparison with a file of the original's formats fails when something else is expected", async () => {
  const to = join(folder, 'formats');
  mkdirSync(to);
  for (const name of formatFiles) {
    copyFileSync(join(golden, 'formats', name), join(to, name));
    const { metadata, tensors } = await readSafetensors(join(golden, 'formats', `${name}.expected.safetensors`));
    const options = Object.entries(metadata).map(([key, text]) => [key, `other ${text}`]);
    const changed = [...tensors].map(([key, tensor]) => {
      const { shape, ...rest } = altered(tensor);
      return [key, { ...rest, shape: [1, ...shape] } as SafeTensor] as const;
    });
    const unexpected: SafeTensor = { dtype: 'F32', shape: [], data: new Float32Array(1) };
    const expected = [...changed, ['out.other', unexpected] as const];
    await writeSafetensors(join(to, `${name}.expected.safetensors`), Object.fromEntries(options), expected);
  }
  const { cases, known } = await verify(device, to, () => {});
  assert.is(known, formatFiles.length);
  const passed = cases.flatMap(({ case: name, comparisons }) =>
    comparisons.filter((one) => one.passed).map(({ tensor }) => `${name} ${tensor}`),
  );
  assert.equal(passed, []);
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

test('with --each-variant the command runs every kernel that fits, and ends with code 1 when one fails', async () => {
  const to = join(folder, 'variants');
  mkdirSync(to);
  for (const name of ['op_linear', 'op_conv1x1_s2', 'op_relu']) {
    copyFileSync(join(golden, `${name}.safetensors`), join(to, `${name}.safetensors`));
  }
  const json = join(folder, 'variants.json');
  const run = async () => {
    const { code, stdout, stderr } = await cim(
      'verify',
      to,
      '--each-variant',
      '--json',
      json,
      '--driver',
      testDriver(),
    );
    return { code, stdout, stderr, ...(JSON.parse(readFileSync(json, 'utf8')) as VariantsReport) };
  };
  const good = await run();
  assert.is(good.code, 0, good.stderr);
  assert.equal(
    good.variants.map(({ variant }) => variant),
    VARIANTS,
  );
  const covered = good.variants.filter(({ status }) => status === 'passed');
  for (const { variant, cases } of covered) {
    assert.equal(cases, [variant.startsWith('gemm.') ? 'op_linear' : 'op_conv1x1_s2']);
    assert.match(
      good.stdout,
      new RegExp(`pass  ${variant} +1 cases, 0 failed, worst error [\\d.e-]+ of tolerance \\(op_`),
    );
  }
  const rest = VARIANTS.length - covered.length;
  assert.ok(covered.length >= 8);
  assert.match(good.stdout, `variants ${VARIANTS.length}, passed ${covered.length}, failed 0, not covered ${rest}\n`);

  await alter('op_linear.safetensors', to);
  const bad = await run();
  assert.is(bad.code, 1);
  for (const { variant, status } of covered) {
    const now = bad.variants.find((one) => one.variant === variant)!;
    assert.is(now.status, variant.startsWith('gemm.') ? 'failed' : status);
  }
  assert.match(bad.stdout, /FAIL {2}gemm\.quads\.16x4 +1 cases, 1 failed, .*\nFAIL {2}op_linear /);
});

/** A convolution with integers of which some sums are zero, and its gradients; times `factor`, which is right when it is 1. */
async function writeKinks(name: string, factor: number): Promise<Case> {
  const shape = { n: 1, ci: 16, h: 32, w: 32, co: 16, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
  const [features, taps] = [
    [1, 16, 32, 32],
    [16, 16, 3, 3],
  ] as const;
  const x = Float32Array.from(randomIntegers(features, 1, -4, 5));
  const weight = Float32Array.from(randomIntegers(taps, 2, -2, 3));
  // No sum is near zero but those of the first two channels.
  const bias = Float32Array.from({ length: 16 }, (_, channel) => (channel < 2 ? 0 : 0.5));
  const gout = randomArray(features, 3);
  const y = reference.convForward(shape, x, weight, bias, true);
  const dy = gout.map((gradient, i) => (y[i] > 0 ? gradient * factor : 0));
  const tensor = (shape: readonly number[], data: ArrayLike<number>): SafeTensor => ({
    dtype: 'F32',
    shape,
    data: Float32Array.from(data),
  });
  const file = join(folder, `${name}.safetensors`);
  await writeSafetensors(file, {}, [
    ['in.x', tensor(features, x)],
    ['in.gout', tensor(features, gout)],
    ['param.weight', tensor(taps, weight)],
    ['param.bias', tensor([16], bias)],
    ['out.y', tensor(features, y)],
    ['grad.x', tensor(features, reference.convInputGradient(shape, dy, weight))],
    ['grad.weight', tensor(taps, reference.convWeightGradient(shape, x, dy))],
  ]);
  const check = operation((tape, get) =>
    F.conv2d(tape, get('in.x'), get('param.weight'), get('param.bias'), { padding: 1, relu: true }),
  );
  return { name, file, kind: { pattern: /^/, check } };
}

test('a gradient may be wrong where rounding puts a ReLU on the other side of zero, and nowhere else', async () => {
  const variant = 'conv.forward.winograd4';
  const kinks = await writeKinks('kinks', 1);
  assert.is((await runPinned(device, 'conv.forward.direct', kinks)).status, 'passed');
  const alone = await runPinned(device, variant, kinks);
  assert.equal(
    alone.comparisons.map(({ passed }) => passed),
    [true, false, false],
  );
  const same = await runOnSameBranches(device, variant, kinks);
  assert.is(same?.status, 'passed');
  const { flipped, of } = same!.flips!;
  assert.is(of, 16 * 32 * 32);
  assert.ok(flipped >= 1 && flipped <= 16);

  // Wrong gradients stay wrong on the same branches.
  assert.is((await runOnSameBranches(device, variant, await writeKinks('wrong', 1.01)))?.status, 'failed');
  // So do those of a kernel that computes something else: it turns outputs by more than rounding.
  const { variants } = device;
  const choose = variants.choose.bind(variants);
  variants.choose = ((operation: Parameters<typeof choose>[0]) => {
    const candidate = choose(operation);
    if (candidate.name !== variant) return candidate;
    const plan = (options: unknown): Plan => {
      const { steps, ...rest } = candidate.plan(options);
      const more = step(axpy({ n: 16 * 32 * 32, a: 1e-3, accumulate: true }), { x: 'x', y: 'y' });
      return { ...rest, steps: [...steps, more] };
    };
    return { ...candidate, plan };
  }) as typeof choose;
  try {
    assert.is(await runOnSameBranches(device, variant, kinks), undefined);
  } finally {
    variants.choose = choose;
  }
  // Without another side there is no excuse.
  assert.is(await runOnSameBranches(device, 'conv.forward.direct', kinks), undefined);
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
