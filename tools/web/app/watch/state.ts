/** What a run has told about its trainings, put together from its news. */
import type { Recipe } from '@cim/model/recipe/recipe';
import type { MonitorPoint, Preview } from '../../../pipeline/monitor.ts';
import type { CurvePoint, RunSummary } from '../../../pipeline/summary.ts';
import { type LogNews, TRAININGS, type Training } from '../../wire.ts';

/** One training; all lists by ascending step. */
export interface TrainingState {
  readonly curve: CurvePoint[];
  /** A line for each step that tells time and memory. */
  readonly costs: (MonitorPoint & { readonly images: number; readonly memory: NonNullable<MonitorPoint['memory']> })[];
  readonly profiles: { readonly step: number; readonly kernels: NonNullable<MonitorPoint['kernels']> }[];
  readonly previews: { readonly step: number; readonly preview: Preview }[];
}

export class RunState {
  readonly trainings: Readonly<Record<Training, TrainingState>> = { classifier: emptyState(), cim: emptyState() };
  recipe: Recipe | null = null;
  summary: RunSummary | null = null;

  apply(news: LogNews): void {
    if ('value' in news) {
      if (news.file === 'recipe.json') this.recipe = news.value as Recipe | null;
      else this.summary = news.value as RunSummary | null;
      return;
    }
    const kind = TRAININGS.find((name) => news.file.startsWith(`${name}.`))!;
    const state = this.trainings[kind];
    if (news.file.endsWith('.log.jsonl')) {
      if (news.restart) state.curve.length = 0;
      for (const line of news.lines) addStep(state.curve, line as CurvePoint);
    } else {
      if (news.restart) for (const list of [state.costs, state.profiles, state.previews]) list.length = 0;
      for (const line of news.lines) addMonitored(state, line as MonitorPoint);
    }
  }

  /** Steps that a training will have done at its end; 0 while the recipe is not known. */
  steps(kind: Training): number {
    return (kind === 'cim' ? this.recipe?.training.steps : this.recipe?.classifier.training.steps) ?? 0;
  }
}

const emptyState = (): TrainingState => ({ curve: [], costs: [], profiles: [], previews: [] });

/** A step that is done again, since its training went on from an earlier checkpoint, makes all later ones void. */
function addStep<P extends { readonly step: number }>(list: P[], point: P): void {
  while (list.length > 0 && list.at(-1)!.step >= point.step) list.pop();
  list.push(point);
}

function addMonitored(state: TrainingState, point: MonitorPoint): void {
  const { step, images, memory, kernels, preview } = point;
  if (preview) addStep(state.previews, { step, preview });
  if (images === undefined || memory === undefined) return;
  addStep(state.costs, { ...point, images, memory });
  while ((state.profiles.at(-1)?.step ?? -1) >= step) state.profiles.pop();
  while ((state.previews.at(-1)?.step ?? -1) >= step) state.previews.pop();
  if (kernels) state.profiles.push({ step, kernels });
}

/** Steps over which the pace is taken. */
const WINDOW = 10;

/** Images a second at each step, over the steps before; null at the first one. */
export function throughput(costs: TrainingState['costs']): (number | null)[] {
  let images = 0;
  return costs.map((cost, i) => {
    if (i === 0) return null;
    images += cost.images;
    const first = Math.max(0, i - WINDOW);
    if (first > 0) images -= costs[first].images;
    const seconds = (cost.time - costs[first].time) / 1000;
    return seconds > 0 ? images / seconds : null;
  });
}

/** Values whose noise is smoothed by an exponential average; `weight` of what was before, 0 to 1. */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  let [sum, total] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}
