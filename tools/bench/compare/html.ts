/** The comparison as a page of its own: no script, nothing loaded. */
import { barChart } from '../../report/bar-chart.ts';
import { type Html, html } from '../../report/html.ts';
import { facts, pageHtml, section, tableSection } from '../../report/page.ts';
import { type Comparison, coldRows, comparisonRows, rateOf, remarks } from './report.ts';
import { ratioOf } from './rounds.ts';

const PASSES = [
  { pass: 'forward', title: 'Forward' },
  { pass: 'inputGradient', title: 'Gradient to the input' },
  { pass: 'weightGradient', title: 'Gradient to the weight' },
] as const;
/** Items without passes are forward computations. */
const passOf = (id: string): string => id.split('.')[1] ?? 'forward';

export function comparisonHtml(comparison: Comparison): string {
  const { adapter, ours, peers, natives, items, cold } = comparison;
  const main = comparisonRows(comparison);
  const first = coldRows(comparison);
  const failures = remarks(comparison);
  return pageHtml(
    'cim against other WebGPU libraries',
    html`<header>
  <h1>cim against other WebGPU libraries</h1>
  <p class="lead">On <b>${adapter}</b>: ${[ours, ...peers, ...natives].map(nameOf).join(', ')}.</p>
</header>
<main>
${section(
  'Speed',
  html`<div class="charts">${PASSES.map(({ pass, title }) => ratioChart(comparison, pass, title))}${peakChart(comparison)}</div>`,
  'How many times as long as ours the best peer takes: above 1 we are faster. Dots: every peer with a right result.',
)}
${tableSection(
  'Times',
  'Milliseconds of one run until it is done: medians of samples taken by turns. Results are compared with sums in f64 at some elements; a wrong one does not count.',
  table(main.head, main.rows),
)}
${
  cold.length > 0
    ? html`${section('First result', coldChart(comparison), 'Seconds from the operands on the device to the first result in a fresh process without anything compiled before. Bars: ours; dots: the peers.')}
${tableSection('Cold and warm', 'Seconds to the first result with an empty driver cache / in the next process, with what the driver kept.', table(first.head, first.rows))}`
    : undefined
}
${failures.length > 0 ? section('Remarks', html`<ul class="skipped">${failures.map((text) => html`<li>${text}</li>`)}</ul>`) : undefined}
${section('Items', facts(items.map(({ id, title }) => [id, title])))}
</main>`,
  );
}

const nameOf = ({ title, version }: Comparison['ours']): string => (version ? `${title} ${version}` : title);

/** Nothing where nothing could be compared. */
function ratioChart({ items, ours, peers }: Comparison, pass: string, title: string): Html | undefined {
  const all = peers.map(({ id }) => id);
  const bars = items
    .filter(({ id }) => passOf(id) === pass)
    .flatMap(({ id, outcomes }) => {
      const mean = ratioOf(outcomes, ours.id, all);
      const values = all.flatMap((peer) => ratioOf(outcomes, ours.id, [peer]) ?? []);
      return mean === undefined ? [] : [{ name: id, mean, deviation: 0, values }];
    });
  const format = (value: number): string => `${value.toFixed(1)}×`;
  return bars.length === 0 ? undefined : barChart({ id: pass, title, bars, format });
}

function peakChart({ items, ours }: Comparison): Html | undefined {
  const bars = items.flatMap((item) => {
    const { share } = rateOf(item, ours);
    return share === undefined ? [] : [{ name: item.id, mean: 100 * share, deviation: 0, values: [] }];
  });
  const title = 'Share of the multiply-add peak, %';
  return bars.length === 0
    ? undefined
    : barChart({ id: 'peak', title, bars, format: (value) => `${value.toFixed(0)} %` });
}

function coldChart({ cold, ours, peers }: Comparison): Html {
  const bars = cold.flatMap(({ id, outcomes }) => {
    const seconds = (contestant: string): number[] => {
      const outcome = outcomes[contestant];
      return outcome?.status === 'measured' ? [outcome.cold.first] : [];
    };
    const [mean] = seconds(ours.id);
    const values = peers.flatMap((peer) => seconds(peer.id));
    return mean === undefined ? [] : [{ name: id, mean, deviation: 0, values }];
  });
  return barChart({
    id: 'cold',
    title: 'Seconds to the first result',
    bars,
    format: (value) => `${value.toFixed(2)} s`,
  });
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): Html => html`<table>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}
</tbody>
</table>`;
