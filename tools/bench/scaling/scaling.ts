/** How the time of a training step grows. */
import type { Recipe } from '@cim/model/recipe/recipe';
import type { AdapterDescription, Device } from '@cim/runtime';
import { quartiles } from '@cim/runtime/tune/quartiles';
import { prepareTraining } from '../../step/step.ts';
import { type ScalingAxis, scalingAxes } from './axes.ts';

export interface ScaledStep {
  readonly x: number;
  /** Median of a step's forward, backward and solver parts. */
  readonly seconds: number;
  readonly parameters: number;
}

export interface Scaling {
  readonly recipe: string;
  readonly axis: ScalingAxis['name'];
  readonly label: string;
  readonly steps: readonly ScaledStep[];
  /** Of the power of x that fits the times best. */
  readonly exponent: number;
  /** The same of the two largest alone, where what does not grow weighs least. */
  readonly largest: number;
}

export interface ScalingResult {
  readonly adapter: AdapterDescription;
  readonly scalings: readonly Scaling[];
}

/** The slope of the straight line through (ln x, ln y) with the least squared error. */
export function exponentOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const logs = points.map(({ x, y }) => [Math.log(x), Math.log(y)]);
  const mean = (of: 0 | 1): number => logs.reduce((sum, log) => sum + log[of], 0) / logs.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

/** Sizes of an axis take turns, `rounds` steps each after one that compiles. */
export async function measureScaling(
  device: Device,
  recipe: Recipe,
  { name, label, points }: ScalingAxis,
  rounds: number,
  onStep: () => void = () => {},
): Promise<Scaling> {
  const trainings: { x: number; seconds: number[]; training: Awaited<ReturnType<typeof prepareTraining>> }[] = [];
  try {
    for (const { x, recipe: wide, size } of points) {
      const training = await prepareTraining(device, { recipe: wide, weights: 'random', ...size });
      trainings.push({ x, seconds: [], training });
      await training.step();
      onStep();
    }
    for (let round = 0; round < rounds; round++) {
      for (const { seconds, training } of trainings) {
        const { forward, backward, solver } = await training.step();
        seconds.push(forward + backward + solver);
        onStep();
      }
    }
    const steps = trainings.map(({ x, seconds, training }) => ({
      ...{ x, seconds: quartiles(seconds).median, parameters: training.size.parameters },
    }));
    const fit = steps.map(({ x, seconds }) => ({ x, y: seconds }));
    return {
      ...{ recipe: recipe.name, axis: name, label, steps },
      exponent: exponentOf(fit),
      largest: exponentOf(fit.slice(-2)),
    };
  } finally {
    for (const { training } of trainings) training.dispose();
  }
}

/** Every recipe along every axis. */
export async function scaling(
  device: Device,
  recipes: readonly Recipe[],
  rounds: number,
  onStep: (done: string) => void = () => {},
): Promise<ScalingResult> {
  const scalings: Scaling[] = [];
  for (const recipe of recipes) {
    for (const axis of scalingAxes(recipe)) {
      scalings.push(await measureScaling(device, recipe, axis, rounds, () => onStep(`${recipe.name} ${axis.name}`)));
    }
  }
  return { adapter: device.adapter, scalings };
}

/** Steps that {@link scaling} takes. */
export const scalingSteps = (recipes: readonly Recipe[], rounds: number): number =>
  recipes.flatMap(scalingAxes).reduce((sum, { points }) => sum + points.length * (rounds + 1), 0);
