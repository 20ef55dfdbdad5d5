/** The growth of a step as a table, as a picture and as a page. */
import { textTable } from '../../cli/table.ts';
import { type Html, html } from '../../report/html.ts';
import { type LogLogOptions, logLogPlot, PLOT } from '../../report/log-log-plot.ts';
import { pageHtml, section, tableSection } from '../../report/page.ts';
import { chartStyle } from '../../report/style.ts';
import type { Scaling, ScalingResult } from './scaling.ts';

const HEAD = ['recipe, axis', 'x', 'ms a step', 'weights', 'exponent', 'of the largest two'];

const rows = ({ scalings }: ScalingResult): string[][] =>
  scalings.flatMap(({ recipe, axis, steps, exponent, largest }) =>
    steps.map(({ x, seconds, parameters }, i) => [
      i === 0 ? `${recipe}, ${axis}` : '',
      String(x),
      (1000 * seconds).toPrecision(3),
      String(parameters),
      i === 0 ? exponent.toFixed(2) : '',
      i === 0 ? largest.toFixed(2) : '',
    ]),
  );

export const scalingTable = (result: ScalingResult): string => textTable(HEAD, rows(result));

const short = (value: number): string =>
  value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${Math.round(value / 1e3)}k` : String(value);

/** A plot for each axis, a line for each recipe. */
function plots({ scalings }: ScalingResult): LogLogOptions[] {
  const axes = [...new Set(scalings.map(({ axis }) => axis))];
  return axes.map((axis) => {
    const own = scalings.filter((one) => one.axis === axis);
    return {
      title: `Step time by ${axis}, ms`,
      series: own.map((one: Scaling) => ({
        name: `${one.recipe}: exponent ${one.exponent.toFixed(2)}`,
        points: one.steps.map(({ x, seconds }) => ({ x, y: 1000 * seconds })),
      })),
      x: { label: own[0].label, format: short },
      y: { label: 'ms', format: (value) => String(Number(value.toPrecision(2))) },
    };
  });
}

/** What the plots need beside the report's style sheet. */
const PLOT_STYLE = `.title { fill: var(--ink); font-size: 14px; font-weight: 600; } .guide { color: var(--muted); stroke-width: 1; }
.label { font-size: 12px; fill: currentColor; } circle { fill: currentColor; }`;

/** A picture of its own, the plots side by side. */
export function scalingSvg(result: ScalingResult): string {
  const all = plots(result).map(logLogPlot);
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${PLOT.width * all.length} ${PLOT.height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif">
<title id="title">How the time of a training step grows</title>
<style>${chartStyle}${PLOT_STYLE}</style>
<rect width="100%" height="100%" style="fill: var(--card)"/>
${all.map((plot, i) => html`<g transform="translate(${PLOT.width * i} 0)">${plot}</g>`)}
</svg>
`.text;
}

export function scalingHtml(result: ScalingResult): string {
  const charts = plots(result).map(
    (options): Html =>
      html`<figure class="chart"><svg viewBox="0 0 ${PLOT.width} ${PLOT.height}" role="img">${logLogPlot(options)}</svg></figure>`,
  );
  const table = html`<table><thead><tr>${HEAD.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows(result).map((row) => html`<tr>${row.map((cell, i) => (i === 0 ? html`<th>${cell}</th>` : html`<td>${cell}</td>`))}</tr>`)}</tbody></table>`;
  return pageHtml(
    'How a training step grows',
    html`<style>${PLOT_STYLE}</style><header><h1>How a training step grows</h1>
<p class="lead">On <b>${result.adapter.description}</b>. Dashed: proportional to what grows.</p></header>
<main>${section('Time of a step', html`<div class="charts">${charts}</div>`)}
${tableSection('Figures', 'The exponent is of the power that fits best: 1 is proportional.', table)}</main>`,
  );
}
