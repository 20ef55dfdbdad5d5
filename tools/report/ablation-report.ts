/** The page and the table of an ablation: what each part of the method brings. */
import { textTable } from '../cli/table.ts';
import type { AblationSummary, Spread } from '../pipeline/ablation-summary.ts';
import type { Scores } from '../pipeline/summary.ts';
import { barChart } from './bar-chart.ts';
import { type Html, html } from './html.ts';
import { percent, scoreNames } from './numbers.ts';
import { facts, pageHtml, section, tableSection } from './page.ts';

const METRICS = Object.keys(scoreNames) as (keyof Scores)[];
/** The charts' metrics: the usual one, and a strict one. */
const CHARTS = ['mAP50', 'mAP70'] as const;

/** An ablation as an HTML document. */
export function ablationHtml(summary: AblationSummary): string {
  const { recipe, averageThreshold, data, seeds, variants, adapter } = summary;
  const chart = (metric: keyof Scores): Html =>
    barChart({
      id: metric,
      title: `${scoreNames[metric]}, %`,
      bars: variants.map(({ variant, mean, deviation, runs }) => ({
        name: variant,
        mean: mean[metric],
        deviation: deviation[metric],
        values: runs.map((scores) => scores[metric]),
      })),
      format: percent,
    });
  return pageHtml(
    `CIM ${recipe}: ablation`,
    html`<header>
  <h1>Complete Instances Mining: ablation</h1>
  <p class="lead">Recipe <b>${recipe}</b> on ${data.folder}: ${data.classes.length} classes, ${data.train} training and
  ${data.val} validation images. All variants start from one classifier, one set of proposals and one set of labels.</p>
</header>
<main>
${section('Variants', html`<div class="charts">${CHARTS.map(chart)}</div>`, `Bars: mean over ${seedText(seeds)}; whiskers: one standard deviation; dots: single seeds.`)}
${tableSection(
  'Mask AP',
  'Mask AP on the validation split, in percent: mean ± standard deviation over the seeds.',
  scoreTable(
    ['Variant'],
    variants.map(({ variant, ...spread }) => ({
      head: [variant],
      cells: METRICS.map((metric) => withSpread(spread, seeds, metric)),
    })),
  ),
)}
${leadSection(summary)}
${tableSection(
  'Every run',
  'Mask AP in percent.',
  scoreTable(
    ['Variant', 'Seed'],
    variants.flatMap(({ variant, runs }) =>
      runs.map((run) => ({ head: [variant, String(run.seed)], cells: METRICS.map((metric) => percent(run[metric])) })),
    ),
  ),
)}
${section(
  'Set-up',
  facts([
    ['Threshold of the average mask (AGPL)', String(averageThreshold)],
    ['Seeds', seeds.join(', ')],
    ['Adapter', adapter.description || adapter.device],
  ]),
)}
</main>`,
  );
}

function leadSection({ leads, seeds }: AblationSummary): Html | undefined {
  if (leads.length === 0) return undefined;
  return tableSection(
    'Leads',
    'Differences in percentage points, paired by seed: mean ± standard deviation, then each seed.',
    scoreTable(
      ['Lead', 'Seed'],
      leads.flatMap(({ of, over, runs, ...spread }) => [
        { head: [`${of} − ${over}`, 'all'], cells: METRICS.map((metric) => withSpread(spread, seeds, metric, signed)) },
        ...runs.map((run) => ({ head: ['', String(run.seed)], cells: METRICS.map((metric) => signed(run[metric])) })),
      ]),
    ),
  );
}

/** The same for a terminal. */
export const ablationTable = ({ seeds, variants, leads }: AblationSummary): string =>
  textTable(
    [`mask AP, %: ${seedText(seeds)}`, ...METRICS.map((metric) => scoreNames[metric])],
    [
      ...variants.map(({ variant, ...spread }) => [
        variant,
        ...METRICS.map((metric) => withSpread(spread, seeds, metric)),
      ]),
      ...leads.map(({ of, over, ...spread }) => [
        `lead ${of} − ${over}`,
        ...METRICS.map((metric) => withSpread(spread, seeds, metric, signed)),
      ]),
    ],
  );

interface Row {
  readonly head: readonly string[];
  readonly cells: readonly string[];
}

function scoreTable(columns: readonly string[], rows: readonly Row[]): Html {
  const head = [...columns, ...METRICS.map((metric) => scoreNames[metric])];
  return html`<table>
    <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>
      ${rows.map(
        ({ head: [name, ...more], cells }) =>
          html`<tr><th scope="row">${name}</th>${[...more, ...cells].map((cell) => html`<td>${cell}</td>`)}</tr>
      `,
      )}
    </tbody>
  </table>`;
}

/** "72.3 ± 1.2"; the mean alone where there is one seed. */
const withSpread = (
  { mean, deviation }: Spread,
  seeds: readonly number[],
  metric: keyof Scores,
  format: (value: number) => string = percent,
): string => `${format(mean[metric])}${seeds.length > 1 ? ` ± ${percent(deviation[metric])}` : ''}`;

/** With its sign, so that a lead cannot be taken for a score. */
const signed = (value: number): string => `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`;

const seedText = (seeds: readonly number[]): string =>
  seeds.length === 1 ? `seed ${seeds[0]}` : `${seeds.length} seeds`;
