/** Training states as safetensors: model weights under their PyTorch names, solver state under `solver.`, the rest in the metadata. */

import type { ParameterStore } from '@cim/model/nn/parameters';
import { type LazyTensor, StateDictError } from '@cim/model/nn/state-dict';
import type { Solver } from '@cim/model/solver/solver';
import type { Generator, GeneratorState } from '@cim/runtime';
import type { DatasetClass } from '../datasets/dataset.ts';
import { CheckpointError } from '../errors.ts';
import { type LazySafeTensor, openSafetensors, writeSafetensors } from '../formats/safetensors.ts';

export type CheckpointKind = 'classifier' | 'cim' | 'imagenet';

/** What a training was told to do; only one with an equal recipe goes on from its checkpoint. */
export interface TrainingRecipe {
  readonly name: string;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
}

/** What a checkpoint says beside its tensors. */
export interface CheckpointInfo {
  readonly kind: CheckpointKind;
  /** Steps done. */
  readonly step: number;
  readonly recipe: TrainingRecipe;
  readonly classes: readonly DatasetClass[];
  readonly generator: GeneratorState;
  /** Learning rate of the last step: the momentum correction compares with it. */
  readonly lr: number;
}

/** Its tensors are read when they are loaded. */
export interface LazyCheckpoint extends CheckpointInfo {
  readonly model: ReadonlyMap<string, LazyTensor>;
  readonly solver: ReadonlyMap<string, LazyTensor>;
}

export interface Checkpoint extends LazyCheckpoint {
  readonly path: string;
}

const FORMAT = 'cim-checkpoint';
/** 1 held the solver's state as it lay in the device's memory. */
const VERSION = '2';
const SOLVER_PREFIX = 'solver.';

/** Saves everything a run needs to go on as if it had never stopped. The old file stays until the new one is whole. */
export const saveCheckpoint = (
  path: string,
  info: Omit<CheckpointInfo, 'generator' | 'lr'>,
  parameters: ParameterStore,
  solver: Solver,
  generator: Generator,
): Promise<void> =>
  writeCheckpoint(path, {
    ...info,
    generator: generator.state,
    lr: solver.lr,
    model: parameters.stateDict(),
    solver: solver.stateDict(),
  });

/** Writes a training state whose tensors come when asked for. */
export async function writeCheckpoint(
  path: string,
  { kind, step, recipe, classes, generator, lr, model, solver }: LazyCheckpoint,
): Promise<void> {
  const solverState = [...solver].map(([name, tensor]) => [SOLVER_PREFIX + name, tensor] as const);
  const tensors = [...model, ...solverState].map(
    ([name, tensor]) => [name, { dtype: 'F32', ...tensor } as LazySafeTensor] as const,
  );
  const metadata = {
    format: FORMAT,
    version: VERSION,
    kind,
    step: String(step),
    recipe: JSON.stringify(recipe),
    classes: JSON.stringify(classes),
    generator: JSON.stringify(generator),
    lr: String(lr),
  };
  await writeSafetensors(path, metadata, tensors);
}

/** What kind of checkpoint a .safetensors file says it is; null when it is none. */
export async function checkpointKind(path: string): Promise<CheckpointKind | null> {
  const { metadata } = await openSafetensors(path);
  return metadata.format === FORMAT ? (metadata.kind as CheckpointKind) : null;
}

/** @throws CheckpointError when the file is damaged, of another kind or version. */
export async function readCheckpoint(path: string, kind: CheckpointKind): Promise<Checkpoint> {
  const { metadata, tensors } = await openSafetensors(path);
  if (metadata.format !== FORMAT || metadata.version !== VERSION) {
    throw new CheckpointError(
      `${path} is not a checkpoint of this program (format ${JSON.stringify(metadata.format)}, version ${JSON.stringify(metadata.version)}).`,
      'Give a .safetensors file that `cim train` or `cim run` wrote.',
    );
  }
  if (metadata.kind !== kind) {
    throw new CheckpointError(
      `${path} holds a ${metadata.kind} model; a ${kind} model is needed.`,
      'Give the other checkpoint of the run.',
    );
  }
  const model = new Map<string, LazyTensor>();
  const solver = new Map<string, LazyTensor>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== 'F32')
      throw new CheckpointError(`Tensor "${name}" of ${path} is ${tensor.dtype}; F32 is needed.`);
    if (name.startsWith(SOLVER_PREFIX)) solver.set(name.slice(SOLVER_PREFIX.length), tensor);
    else model.set(name, tensor);
  }
  try {
    return {
      path,
      kind,
      step: Number(metadata.step),
      recipe: JSON.parse(metadata.recipe) as TrainingRecipe,
      classes: JSON.parse(metadata.classes) as DatasetClass[],
      generator: JSON.parse(metadata.generator) as GeneratorState,
      lr: Number(metadata.lr),
      model,
      solver,
    };
  } catch (cause) {
    throw new CheckpointError(`The metadata of ${path} is damaged.`, 'Use an older checkpoint or train again.', {
      cause,
    });
  }
}

/** Puts a checkpoint's weights into a model. @throws CheckpointError that names the file and lists what does not fit. */
export function loadWeights(checkpoint: Checkpoint, parameters: ParameterStore): Promise<void> {
  return fitting(checkpoint, async () => void (await parameters.load(checkpoint.model)));
}

/** Brings everything that {@link saveCheckpoint} saved back to that state. @throws CheckpointError as {@link loadWeights}. */
export async function restoreTraining(
  checkpoint: Checkpoint,
  parameters: ParameterStore,
  solver: Solver,
  generator: Generator,
): Promise<void> {
  await loadWeights(checkpoint, parameters);
  await fitting(checkpoint, () => solver.restore(checkpoint.solver, checkpoint.lr));
  generator.state = checkpoint.generator;
}

async function fitting({ path }: Checkpoint, load: () => Promise<void>): Promise<void> {
  try {
    await load();
  } catch (cause) {
    if (!(cause instanceof StateDictError)) throw cause;
    throw new CheckpointError(
      `${path} does not fit the model. ${cause.message}`,
      'Use the recipe the checkpoint was trained with.',
      { cause },
    );
  }
}

/** Refuses a model that was trained for other classes. @throws CheckpointError */
export function checkClasses({ path, classes }: Checkpoint, expected: readonly DatasetClass[], remedy: string): void {
  if (JSON.stringify(classes) === JSON.stringify(expected)) return;
  const names = (list: readonly DatasetClass[]): string => list.map(({ id, name }) => `${name} (${id})`).join(', ');
  throw new CheckpointError(
    `${path} was trained for other classes: ${names(classes)}, not ${names(expected)}.`,
    remedy,
  );
}

/** Puts the weights of a finished training into a model for the same classes. @throws CheckpointError */
export async function loadTrained(
  checkpoint: Checkpoint,
  { classes }: { readonly classes: readonly DatasetClass[] },
  parameters: ParameterStore,
): Promise<void> {
  checkClasses(checkpoint, classes, 'Give the data set of the run, or one with the same classes.');
  await loadWeights(checkpoint, parameters);
}
