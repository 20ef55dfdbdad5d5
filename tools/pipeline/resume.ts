import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { ParameterStore } from '@cim/model/nn/parameters';
import type { Solver } from '@cim/model/solver/solver';
import type { Generator } from '@cim/runtime';
import type { DatasetClass } from '../datasets/dataset.ts';
import { CheckpointError } from '../errors.ts';
import { readCheckpoint, restoreTraining } from './checkpoint.ts';
import { type CheckpointKind, checkClasses, type TrainingRecipe } from './checkpoint-content.ts';

/**
 * Brings model, solver and generator to the state of a checkpoint, if there is one, and returns the number of steps it
 * has done; 0 without one.
 * @throws CheckpointError when it was made with another recipe or other classes.
 */
export async function resumeTraining(
  path: string,
  kind: CheckpointKind,
  { recipe, classes }: { readonly recipe: TrainingRecipe; readonly classes: readonly DatasetClass[] },
  parameters: ParameterStore,
  solver: Solver,
  generator: Generator,
): Promise<number> {
  if (!existsSync(path)) return 0;
  const checkpoint = await readCheckpoint(path, kind);
  const remedy = 'Choose another --out folder, or delete the checkpoint to start anew.';
  if (!isDeepStrictEqual(checkpoint.recipe, recipe)) {
    throw new CheckpointError(`${path} was trained with another recipe (${checkpoint.recipe.name}).`, remedy);
  }
  checkClasses(checkpoint, classes, remedy);
  await restoreTraining(checkpoint, parameters, solver, generator);
  return checkpoint.step;
}
