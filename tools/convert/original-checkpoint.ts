/** Checkpoints of a run as the original's `model_step*.pth` (tools/train.py, save_ckpt), and back. */
import type { BackboneConfig } from '@cim/model/backbone/index';
import type { LazyTensor } from '@cim/model/nn/state-dict';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { SolverConfig } from '@cim/model/solver/solver';
import { isTrained, optimizerGroups } from '@cim/model/weights/original-optimizer';
import { prmResnetKey, torchvisionResnetKey } from '@cim/model/weights/published';
import { Generator } from '@cim/runtime';
import type { DatasetClass } from '../datasets/dataset.ts';
import { type ArrayOf, elementCount, type LazyArray, NdArray } from '../formats/ndarray.ts';
import { stateDictOf } from '../formats/state-file.ts';
import type { Torchable } from '../formats/torch.ts';
import type { ImageNetRecipe } from '../imagenet/recipe.ts';
import type { Checkpoint, LazyCheckpoint } from '../pipeline/checkpoint-content.ts';
import { asFloat32 } from '../weights/published.ts';

/** A converted file, and what could not be carried over. */
export interface Converted<T> {
  readonly value: T;
  readonly notes: readonly string[];
}

/** What the original keeps of a parameter. */
const MOMENTUM = 'momentum_buffer';

const float32 = ({ shape, read }: LazyTensor): LazyArray => ({
  dtype: 'float32',
  shape,
  read: (first, count) => read(first, count) as Promise<ArrayOf<'float32'>>,
});

/** The model under other names, with the counters that PyTorch's batch norm has. */
function torchState(model: Checkpoint['model'], rename: (name: string) => string): Map<string, LazyArray> {
  const state = new Map<string, LazyArray>();
  for (const [name, tensor] of model) {
    const key = rename(name);
    state.set(key, float32(tensor));
    if (!key.endsWith('.running_var')) continue;
    const counter = new NdArray('int64', [], new BigInt64Array(1));
    state.set(key.replace(/running_var$/, 'num_batches_tracked'), counter);
  }
  return state;
}

/**
 * A checkpoint as the original's programs read it: of the network, `{step, batch_size, model, optimizer}`; of the
 * classifier on ResNet, PRM's state dict; of an ImageNet classifier, the published state dict.
 */
export function toOriginal(checkpoint: Checkpoint): Converted<Torchable> {
  const { kind, model, step } = checkpoint;
  if (kind === 'cim') {
    const { backbone, solver } = checkpoint.recipe as Recipe;
    const { value: optimizer, notes } = toOptimizer(checkpoint, backbone, solver);
    // Steps are counted from 0, and the file is named after the last one that was done.
    const state = { step: step - 1, batch_size: 1, model: torchState(model, (name) => name) };
    return { value: optimizer === null ? state : { ...state, optimizer }, notes };
  }
  const { backbone } = kind === 'classifier' ? classifierOf(checkpoint) : (checkpoint.recipe as ImageNetRecipe);
  const keyOf = kind === 'classifier' ? prmResnetKey : torchvisionResnetKey;
  return {
    value: torchState(model, (name) => (backbone.type === 'resnet' ? keyOf(name) : name)),
    notes: ['The state of the solver is left out: published weights have none.'],
  };
}

const classifierOf = ({ recipe }: Checkpoint): { backbone: BackboneConfig } => {
  const { backbone, classifier } = recipe as Recipe;
  return { backbone: classifier.backbone ?? backbone };
};

function toOptimizer(
  { model, solver: state, lr }: Checkpoint,
  backbone: BackboneConfig,
  solver: SolverConfig,
): Converted<Torchable> {
  if (solver.type !== 'sgd') {
    return { value: null, notes: [`The state of ${solver.type} is left out: the original resumes SGD only.`] };
  }
  const groups = optimizerGroups(model.keys(), backbone);
  const momenta = new Map<number, Torchable>();
  let index = 0;
  const paramGroups = groups.map((names, group) => {
    const params = names.map((name) => {
      const momentum = state.get(`momentum.${name}`);
      if (momentum) momenta.set(index, { [MOMENTUM]: float32(momentum) });
      return index++;
    });
    return {
      lr: lr * (group === 1 ? solver.biasLrFactor : 1),
      weight_decay: group === 1 && !solver.biasDecay ? 0 : solver.weightDecay,
      momentum: solver.momentum,
      dampening: 0,
      nesterov: solver.nesterov ?? false,
      params,
    };
  });
  return { value: { state: momenta, param_groups: paramGroups }, notes: [] };
}

/** The original's entries beside the model; absent in a mere state dict. */
interface OriginalOptimizer {
  readonly state: ReadonlyMap<unknown, unknown>;
  /** What the state calls the parameters of both groups, one after the other. */
  readonly params: readonly unknown[];
  readonly lr: number;
}

/**
 * A checkpoint of the original as one that a run goes on from. Random draws start anew; momenta that the file lacks are 0.
 *
 * @param value what `readTorch` gave.
 */
export function fromOriginal(
  value: unknown,
  path: string,
  recipe: Recipe,
  classes: readonly DatasetClass[],
): Converted<LazyCheckpoint> {
  const state = stateDictOf(value, path);
  const model = new Map<string, LazyTensor>();
  const trained: string[] = [];
  for (const [name, tensor] of state) {
    if (name.endsWith('num_batches_tracked') || name.startsWith('Conv_Body.classifier.')) continue;
    model.set(name, asFloat32(tensor));
    if (isTrained(name, recipe.backbone)) trained.push(name);
  }
  const optimizer = readOptimizer(value);
  const { value: momenta, notes } = momentaByName(optimizer, state, recipe.backbone);
  const solver = new Map(
    trained.map((name) => [`momentum.${name}`, momenta.get(name) ?? zerosLike(model.get(name)!)] as const),
  );
  const step = value instanceof Map ? (value as Map<unknown, unknown>).get('step') : undefined;
  const checkpoint: LazyCheckpoint = {
    kind: 'cim',
    step: typeof step === 'number' ? step + 1 : recipe.training.steps,
    recipe,
    classes,
    generator: new Generator(recipe.seed).state,
    lr: optimizer?.lr ?? 0,
    model,
    solver,
  };
  const unknownStep = typeof step === 'number' ? [] : ['The file says no step: the training counts as finished.'];
  return { value: checkpoint, notes: [...notes, ...unknownStep, 'Random draws start anew.'] };
}

function readOptimizer(value: unknown): OriginalOptimizer | null {
  const optimizer = entry(value, 'optimizer');
  const [state, groups] = [entry(optimizer, 'state'), entry(optimizer, 'param_groups')];
  if (!(state instanceof Map) || !Array.isArray(groups)) return null;
  const params = groups.map((group) => entry(group, 'params'));
  const lr = entry(groups[0], 'lr');
  if (!params.every(Array.isArray) || typeof lr !== 'number') return null;
  return { state, params: params.flat(), lr };
}

const entry = (value: unknown, key: unknown): unknown =>
  value instanceof Map ? (value as Map<unknown, unknown>).get(key) : undefined;

/** Momenta by the names of their parameters. */
function momentaByName(
  optimizer: OriginalOptimizer | null,
  model: ReadonlyMap<string, LazyArray>,
  backbone: BackboneConfig,
): Converted<ReadonlyMap<string, LazyTensor>> {
  const momenta = new Map<string, LazyTensor>();
  if (!optimizer) return { value: momenta, notes: ['The file has no optimizer state: momentum starts at 0.'] };
  const names = optimizerGroups(model.keys(), backbone).flat();
  if (names.length !== optimizer.params.length) {
    const counts = `${optimizer.params.length} parameters, the network ${names.length}`;
    return { value: momenta, notes: [`The file's optimizer has ${counts}: momentum starts at 0.`] };
  }
  const unfit: string[] = [];
  names.forEach((name, i) => {
    const momentum = entry(optimizer.state.get(optimizer.params[i]), MOMENTUM) as LazyArray | null | undefined;
    if (!momentum) return;
    if (String(momentum.shape) === String(model.get(name)?.shape)) momenta.set(name, asFloat32(momentum));
    else unfit.push(name);
  });
  const note = `Momenta that do not have the shape of their parameters start at 0: ${unfit.join(', ')}.`;
  return { value: momenta, notes: unfit.length > 0 ? [note] : [] };
}

const zerosLike = ({ shape }: LazyTensor): LazyTensor => ({
  shape,
  read: async (first = 0, count = elementCount(shape) - first) => new Float32Array(count),
});
