/** Runs of a few steps on a tiny data set, in this process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recipe } from '@cim/model/recipe/recipe';
import { testDevice } from '@cim/runtime/testing';
import { chooseRecipe } from '@cim/tools/pipeline/recipe-options';
import { openRun, type Run } from '@cim/tools/pipeline/run';

/** A folder that is there until the process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `cim-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Four steps for each of the two trainings, a checkpoint after every second one. */
export const tinyRecipe = (...set: string[]): Promise<Recipe> =>
  chooseRecipe({
    preset: 'small',
    set: [
      'classifier.training={steps: 4, batch: 2}',
      'proposals={superpixels: 40, limit: 12}',
      'training={steps: 4, imagesPerStep: 2, imagesPerPass: 2}',
      'checkpointEvery=2',
      ...set,
    ],
  });

/** What a run told the person who started it. */
export interface Told {
  /** Stages that had something to do, in order. */
  readonly work: string[];
  readonly warnings: string[];
  readonly notes: string[];
}

export async function openTinyRun(
  data: string,
  out: string,
  { recipe, strict = false, preview = 0 }: { recipe?: Recipe; strict?: boolean; preview?: number } = {},
): Promise<Run & { readonly told: Told }> {
  const told: Told = { work: [], warnings: [], notes: [] };
  const run = await openRun(await testDevice(), {
    data,
    out,
    strict,
    preview,
    recipe: recipe ?? (await tinyRecipe()),
    report: {
      progress: (label, total) => {
        if (total > 0) told.work.push(label);
        return { advance: () => {}, stop: () => {} };
      },
      info: (message) => told.notes.push(message),
      warn: (message) => told.warnings.push(message),
    },
  });
  return { ...run, told };
}
