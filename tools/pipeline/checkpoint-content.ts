/**
 * Training states as safetensors: model weights under their PyTorch names, solver state under `solver.`, the rest in the
 * metadata.
 */
import type { ParameterStore } from '@cim/model/nn/parameters';
import { type LazyTensor, StateDictError } from '@cim/model/nn/state-dict';
import type { GeneratorState } from '@cim/runtime';
import type { DatasetClass } from '../datasets/dataset.ts';
import { CheckpointError } from '../errors.ts';
import type { LazySafeTensor, Safetensors } from '../formats/safetensors-content.ts';

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

export const FORMAT = 'cim-checkpoint';
/** 1 held the solver's state as it lay in the device's memory. */
export const VERSION = '2';
export const SOLVER_PREFIX = 'solver.';

/**
 * What the content of a safetensors file says as a checkpoint.
 *
 * @param path names it in errors.
 * @throws CheckpointError when it is damaged, of another kind or version.
 */
export function checkpointOf(
  { metadata, tensors }: Safetensors<LazySafeTensor>,
  path: string,
  kind: CheckpointKind,
): Checkpoint {
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

/** Runs `load`, whose refusals become ones of the checkpoint. @throws CheckpointError */
export async function fitting({ path }: Checkpoint, load: () => Promise<void>): Promise<void> {
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
