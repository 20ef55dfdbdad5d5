import { resourceUsage } from 'node:process';
import { type Cim, lossParts, lossTerms } from '@cim/model/cim';
import { OverlapCache } from '@cim/model/masks/index';
import { createCim } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Solver } from '@cim/model/solver/solver';
import { gather } from '@cim/model/train/loss-terms';
import { uploadBatch, uploadSupervision } from '@cim/model/train/sample';
import { type Device, Generator, isParameter, ShardedTensor, Tape, type Tracer } from '@cim/runtime';
import { describeLoaded, loadPublishedWeights } from '../weights/published.ts';
import { madeUpSample, type SampleSize } from './sample.ts';
import { loadDeterministic } from './weights.ts';

export interface StepOptions extends Omit<SampleSize, 'classes'> {
  readonly recipe: Recipe;
  readonly classes: number;
  /** `random`: as training from scratch begins; `deterministic`: by the golden files' formula; else published weights. */
  readonly weights: string;
  readonly steps: number;
}

/** What training a network takes. */
export interface NetworkSize {
  readonly parameters: number;
  readonly trained: number;
  /** Weights larger than one binding. */
  readonly sharded: readonly { readonly name: string; readonly weight: ShardedTensor }[];
  /** What became of the weights of a file. */
  readonly loaded: string | null;
  /** Seconds to make the network with its weights and the solver. */
  readonly seconds: number;
}

export interface StepReport {
  readonly losses: Readonly<Record<string, number>>;
  /** Seconds until the GPU was done with each part; those of the first step include the compilation of kernels. */
  readonly forward: number;
  readonly backward: number;
  readonly solver: number;
  /** The most memory that was used at once so far, bytes. */
  readonly gpuPeak: number;
  /** Of the process; where the CPU runs the kernels, GPU memory is part of it. */
  readonly hostPeak: number;
}

export interface StepHooks {
  readonly onNetwork: (size: NetworkSize) => void;
  readonly onStep: (report: StepReport) => void;
}

/** Trains a recipe's network on one made-up image. */
export async function trainSteps(device: Device, options: StepOptions, hooks: StepHooks): Promise<void> {
  const training = await prepareTraining(device, options);
  hooks.onNetwork(training.size);
  for (let i = 0; i < options.steps; i++) hooks.onStep(await training.step());
  if (device.tracer) await training.trace(device.tracer);
  training.dispose();
}

/** A network in training, and the image it is trained on. */
export interface StepTraining {
  readonly size: NetworkSize;
  step(): Promise<StepReport>;
  /** Another step as they follow each other in training, recorded while the GPU is busy with the one before: all that is traced. */
  trace(tracer: Tracer): Promise<void>;
  dispose(): void;
}

export async function prepareTraining(device: Device, options: Omit<StepOptions, 'steps'>): Promise<StepTraining> {
  const { recipe, weights, classes } = options;
  const lap = stopwatch(device);
  const generator = weights === 'deterministic' ? null : new Generator(recipe.seed);
  const cim = createCim(device, recipe, classes, generator);
  const { parameters } = cim;
  let loaded: string | null = null;
  if (weights === 'deterministic') await loadDeterministic(parameters, recipe.backbone);
  else if (weights !== 'random') loaded = describeLoaded(await loadPublishedWeights(parameters, weights));
  const solver = new Solver(device, parameters, recipe.solver);
  const size = { ...sizeOf(cim), loaded, seconds: await lap() };

  const sample = madeUpSample(options);
  const view = { flip: false, targetSize: Math.max(options.width, options.height) };
  const overlaps = new OverlapCache(device);
  const terms = lossTerms(cim.config);
  let step = 0;
  /** Records a step. `done` is awaited between its parts, which it times. */
  const record = async (done: () => Promise<number>) => {
    const values = device.empty([terms.length]);
    const batch = uploadBatch(device, [{ sample, view }]);
    const supervision = uploadSupervision(device, sample, overlaps);
    parameters.zeroGrad();
    await done();

    const tape = new Tape(device);
    const [scores] = cim.forward(tape, batch, { recompute: recipe.training.recompute });
    const antiNoise = (branch: number) => ({ seed: recipe.seed, counter: branch * 2 ** 20 });
    gather(device, lossParts(cim.losses(tape, scores, supervision, antiNoise)), values, 0);
    const forward = await done();
    tape.backward();
    const backward = await done();
    solver.step(step++);
    return { values, forward, backward, solver: await done() };
  };
  const train = (): Promise<StepReport> =>
    device.scopeAsync(async () => {
      const { values, ...seconds } = await record(lap);
      const losses: Record<string, number> = {};
      (await values.read()).forEach((value, i) => {
        losses[terms[i].name] = (losses[terms[i].name] ?? 0) + terms[i].weight * value;
      });
      const peaks = { gpuPeak: device.memoryUse.peak, hostPeak: resourceUsage().maxRSS * 1024 };
      return { losses, ...seconds, ...peaks };
    });
  const trace = async (tracer: Tracer): Promise<void> => {
    const unawaited = (): Promise<void> => device.scopeAsync(async () => void (await record(async () => 0)));
    await unawaited();
    device.flush();
    tracer.restart();
    await unawaited();
    await device.finish();
  };
  return {
    size,
    step: train,
    trace,
    dispose() {
      overlaps.dispose();
      solver.dispose();
      parameters.dispose();
    },
  };
}

/** Seconds since the last call, once the GPU is idle. */
function stopwatch(device: Device): () => Promise<number> {
  let last = performance.now();
  return async () => {
    await device.finish();
    const seconds = (performance.now() - last) / 1000;
    last = performance.now();
    return seconds;
  };
}

function sizeOf({ parameters }: Cim): Omit<NetworkSize, 'loaded' | 'seconds'> {
  const weights = [...parameters.tensors].map(([name, weight]) => ({ name, weight }));
  const count = (list: typeof weights): number => list.reduce((sum, { weight }) => sum + weight.size, 0);
  return {
    parameters: count(weights.filter(({ name }) => !/running_(mean|var)$/.test(name))),
    trained: count(weights.filter(({ weight }) => isParameter(weight))),
    sharded: weights.flatMap(({ name, weight }) => (weight instanceof ShardedTensor ? [{ name, weight }] : [])),
  };
}
