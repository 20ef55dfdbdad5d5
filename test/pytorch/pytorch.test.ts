/** Files and networks against PyTorch itself, where a Python with torch and numpy is installed ($CIM_PYTHON, python3). */
import { deepStrictEqual } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cim } from '@cim/model/cim';
import { Solver } from '@cim/model/solver/solver';
import { trainCim } from '@cim/model/train/train-cim';
import { Generator, Tape, type Tensor } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { findPython } from '@cim/tools/bench/compare/python';
import { NdArray, toFloat32 } from '@cim/tools/formats/ndarray';
import { readPickle } from '@cim/tools/formats/pickle';
import { readTorch, type TorchTensor, writeTorch } from '@cim/tools/formats/torch';
import { saveCheckpoint } from '@cim/tools/pipeline/checkpoint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeSample } from '../model/samples.ts';
import { cim as runCim } from '../tools/cim.ts';
import { tinyBackbones, tinyNetworkRecipe } from '../tools/tiny-networks.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';

const suiteOf = suite('PyTorch');
const folder = temporaryFolder('pytorch');
const script = fileURLToPath(new URL('network.py', import.meta.url));

const python = findPython(['torch', 'numpy']);
if (python === null) console.log('Skipped: no Python with torch and numpy was found. Set CIM_PYTHON to one.');
const test = python === null ? suiteOf.skip : suiteOf;
const torch = (...args: string[]): string => execFileSync(python!, [script, ...args], { encoding: 'utf8' });

const backbone = tinyBackbones.resnet;
const classes = ['a', 'b', 'c'].map((name, i) => ({ id: i + 1, name }));
const recipe = tinyNetworkRecipe(backbone);

/** A network after a few steps of training, with statistics that batch norm makes use of. */
async function trainedNetwork(): Promise<{ model: Cim; solver: Solver }> {
  const device = await testDevice();
  const generator = new Generator(7);
  const model = new Cim(device, { ...recipe.cim, backbone, classes: classes.length }, generator);
  for (const [index, [name, tensor]] of [...model.parameters.tensors].entries()) {
    const { shape, size } = tensor;
    // Signals keep their size on the way through, so that the scores say something.
    const bound = Math.sqrt((6 * shape[0]) / size);
    if (shape.length > 1) tensor.write(randomArray(shape, index, -bound, bound));
    if (name.endsWith('running_mean')) tensor.write(randomArray(shape, index, -0.2, 0.2));
    if (name.endsWith('running_var')) tensor.write(randomArray(shape, index, 0.5, 1.5));
  }
  const solver = new Solver(device, model.parameters, {
    ...recipe.solver,
    schedule: { baseLr: 1e-3, warmupSteps: 0, warmupFactor: 1, decay: { type: 'step', decaySteps: [], gamma: 0.1 } },
  });
  const samples = [makeSample(1, 96, 80), makeSample(2, 80, 96)];
  await trainCim(device, model, solver, { count: 2, load: async (i) => samples[i] }, generator, {
    steps: 3,
    imagesPerStep: 2,
    imagesPerPass: 1,
    view: { type: 'jitter', brightness: 0, offset: 0, channel: 0 },
    start: 0,
    savesAt: () => false,
    onStep: async () => {},
  });
  return { model, solver };
}

test('a trained network converted by `cim convert` computes the same in PyTorch', async () => {
  const device = await testDevice();
  const { model, solver } = await trainedNetwork();
  const [ours, theirs] = [join(folder, 'cim.safetensors'), join(folder, 'model_step2.pth')];
  const info = { kind: 'cim', step: 3, recipe, classes } as const;
  await saveCheckpoint(ours, info, model.parameters, solver, new Generator(3));
  const converted = await runCim('convert', ours, theirs);
  assert.is(converted.code, 0, converted.stderr);

  const [height, width] = [96, 128];
  const images = randomArray([2, 3, height, width], 1);
  const rois = Float32Array.of(
    0,
    3,
    5,
    90,
    70,
    0,
    40,
    30,
    47,
    36,
    0,
    0,
    0,
    127,
    95,
    1,
    60,
    10,
    127,
    90,
    1,
    8,
    8,
    40,
    95,
  );
  const masks = randomArray([5, 7, 7], 2, 0, 1);
  // The detector's softmax is over the proposals of one image: PyTorch sees one image at a time.
  for (const [image, [first, count]] of [
    [0, 3],
    [3, 2],
  ].entries()) {
    const pixels = 3 * height * width;
    const own = rois.slice(5 * first, 5 * (first + count)).map((x, i) => (i % 5 === 0 ? 0 : x));
    const part = {
      images: new NdArray('float32', [1, 3, height, width], images.slice(image * pixels, (image + 1) * pixels)),
      rois: new NdArray('float32', [count, 5], own),
      masks: new NdArray('float32', [count, 7, 7], masks.slice(49 * first, 49 * (first + count))),
      blocks: [...backbone.blocks],
    };
    await writeTorch(join(folder, 'inputs.pth'), part);
    const said = torch('run', theirs, join(folder, 'inputs.pth'), join(folder, 'outputs.pth'));
    assert.match(said, /momentum True/);
    const expected = (await readTorch(join(folder, 'outputs.pth'))) as Map<string, TorchTensor>;
    const [scores] = model.forward(new Tape(device, { recording: false }), {
      images: device.tensor(part.images.data, part.images.shape),
      rois: device.tensor(part.rois.data, part.rois.shape),
      masks: device.tensor(part.masks.data, part.masks.shape),
      counts: [count],
    });
    const outputs: [string, Tensor][] = [
      ['classifier', scores.classifier],
      ['detector', scores.detector],
      ...scores.refinement.flatMap(({ cls, iou }, k): [string, Tensor][] => [
        [`cls.${k}`, cls],
        [`iou.${k}`, iou],
      ]),
    ];
    assert.is(outputs.length, expected.size);
    for (const [name, tensor] of outputs) {
      const actual = await tensor.read();
      const wanted = (await expected.get(name)!.read()) as Float32Array;
      assert.is(actual.length, wanted.length);
      assert.ok(Math.max(...wanted) - Math.min(...wanted) > 0.01, `${name} says nothing`);
      const error = wanted.reduce((worst, value, i) => Math.max(worst, Math.abs(value - actual[i])), 0);
      assert.ok(error <= 1e-4, `${name} of image ${image} differs by ${error}`);
    }
  }
  solver.dispose();
  model.parameters.dispose();
});

test('every tensor that PyTorch writes is read exactly', async () => {
  torch('write', folder);
  const expected = (await readPickle(join(folder, 'expected.pkl'))) as Map<string, NdArray>;
  for (const name of ['zip', 'legacy']) {
    const tensors = (await readTorch(join(folder, `${name}.pth`))) as Map<string, TorchTensor>;
    assert.equal([...tensors.keys()], [...expected.keys()]);
    for (const [key, { dtype, shape, data }] of expected) {
      const tensor = tensors.get(key)!;
      assert.equal(tensor.shape, shape, key);
      const found = await tensor.read();
      if (tensor.dtype !== 'bfloat16') assert.is(tensor.dtype, dtype, key);
      deepStrictEqual(tensor.dtype === 'bfloat16' ? toFloat32('bfloat16', found) : found, data, key);
    }
  }
});

test('what is written loads with weights_only, where nothing but tensors is allowed', async () => {
  const path = join(folder, 'state.pth');
  const state = new Map(
    (['float32', 'int32', 'uint8'] as const).map((dtype) => {
      const data = { float32: Float32Array.of(1.5, 2), int32: Int32Array.of(3, 4), uint8: Uint8Array.of(5, 6) }[dtype];
      return [`a.${dtype}`, new NdArray(dtype, [2, 1], data)];
    }),
  );
  await writeTorch(path, state);
  const code = `import torch; s = torch.load(${JSON.stringify(path)}, weights_only=True); print([(k, str(v.dtype), v.tolist()) for k, v in s.items()])`;
  const said = execFileSync(python!, ['-c', code], { encoding: 'utf8' });
  const expected =
    "[('a.float32', 'torch.float32', [[1.5], [2.0]]), ('a.int32', 'torch.int32', [[3], [4]]), ('a.uint8', 'torch.uint8', [[5], [6]])]";
  assert.is(said.trim(), expected);
});

suiteOf.run();
