import { existsSync } from 'node:fs';
import type { ParameterStore } from '@cim/model/nn/parameters';
import { Solver, type SolverConfig } from '@cim/model/solver/solver';
import type { LoopOptions, StepReport } from '@cim/model/train/loop';
import { BackgroundTuning, type Generator } from '@cim/runtime';
import { readChoices, writeChoices } from '../tune/choices.ts';
import { saveCheckpoint } from './checkpoint.ts';
import type { CheckpointKind, TrainingRecipe } from './checkpoint-content.ts';
import type { RunContext } from './context.ts';
import { type Preview, profilesAt, TrainingMonitor } from './monitor.ts';
import { resumeTraining } from './resume.ts';
import type { CurvePoint } from './summary.ts';
import { TrainingLog } from './training-log.ts';

/** What a training needs of its surroundings: the checkpoint's file stands in `folder` under the training's kind. */
export interface TrainingContext<K extends CheckpointKind> extends Pick<RunContext, 'device' | 'classes' | 'report'> {
  readonly recipe: TrainingRecipe;
  readonly folder: Readonly<Record<K | 'kernels', string>> & {
    log(kind: K): string;
    monitor(kind: K): string;
    tensorBoard(kind: K): string;
  };
}

export interface TrainingStage<K extends CheckpointKind> {
  readonly kind: K;
  /** Of the progress bar. */
  readonly label: string;
  readonly steps: number;
  /** Disposed at the end. */
  readonly parameters: ParameterStore;
  readonly solver: SolverConfig;
  readonly generator: Generator;
  readonly train: (
    solver: Solver,
    hooks: Pick<LoopOptions, 'start' | 'savesAt' | 'profilesAt' | 'onStep'>,
  ) => Promise<void>;
  /** Looks at what the checkpoint that was just saved can do. */
  readonly preview?: () => Promise<Preview>;
}

/**
 * What all trainings share: goes on where the checkpoint stands with the kernels it used, logs every step, shows progress,
 * tunes kernels where that is asked for, and saves checkpoints.
 * Returns the whole curve.
 */
export async function runTraining<K extends CheckpointKind>(
  context: TrainingContext<NoInfer<K>>,
  stage: TrainingStage<K>,
): Promise<readonly CurvePoint[]> {
  const { device, folder, recipe, classes, report } = context;
  const { kind, label, steps, parameters, generator } = stage;
  const path = folder[kind];
  const solver = new Solver(device, parameters, stage.solver);
  // Other kernels sum in another order: what went on with them would not repeat.
  device.variants.keep(existsSync(folder.kernels) ? readChoices(folder.kernels) : {});
  const tuning = device.options.tuning === 'background' ? new BackgroundTuning(device) : undefined;
  const start = await resumeTraining(path, kind, context, parameters, solver, generator);
  const log = new TrainingLog(folder.log(kind), start);
  const monitor = new TrainingMonitor(folder.monitor(kind), folder.tensorBoard(kind), start, log.points);
  const bar = report.progress(label, steps - start);
  const savesAt = (step: number): boolean => (step + 1) % recipe.checkpointEvery === 0 || step + 1 === steps;
  const save = async (step: number): Promise<void> => {
    await writeChoices(folder.kernels, device);
    await saveCheckpoint(path, { kind, step, recipe, classes }, parameters, solver, generator);
  };
  const onStep = async (done: StepReport): Promise<void> => {
    const { step, lr, losses } = done;
    log.add({ step, lr, losses });
    monitor.step(done, device.memoryUse);
    bar.advance(1, `loss ${losses.total.toFixed(3)}`);
    if (savesAt(step)) {
      await save(step + 1);
      if (stage.preview) monitor.preview(step, await stage.preview());
    }
    const failure = await tuning?.next();
    if (failure) report.warn(failure.message);
  };
  try {
    if (steps === 0 && !existsSync(path)) await save(0); // what it starts from is what it leaves
    await stage.train(solver, { start, savesAt, profilesAt, onStep });
  } finally {
    bar.stop();
    await tuning?.close();
    log.close();
    monitor.close();
    solver.dispose();
    parameters.dispose();
  }
  return log.points;
}
