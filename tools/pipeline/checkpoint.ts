/** Files of training states. */
import type { ParameterStore } from '@cim/model/nn/parameters';
import type { Solver } from '@cim/model/solver/solver';
import type { Generator } from '@cim/runtime';
import { type LazySafeTensor, openSafetensors, writeSafetensors } from '../formats/safetensors.ts';
import {
  type Checkpoint,
  type CheckpointInfo,
  type CheckpointKind,
  checkpointOf,
  FORMAT,
  fitting,
  type LazyCheckpoint,
  loadWeights,
  SOLVER_PREFIX,
  VERSION,
} from './checkpoint-content.ts';

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
export const readCheckpoint = async (path: string, kind: CheckpointKind): Promise<Checkpoint> =>
  checkpointOf(await openSafetensors(path), path, kind);

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
