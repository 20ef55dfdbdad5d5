/** Lying bars with the spread of what they are the mean of, as an SVG that needs no script. */
import { scaleLinear } from 'd3-scale';
import { type Html, html } from './html.ts';

export interface Bar {
  readonly name: string;
  readonly mean: number;
  readonly deviation: number;
  /** The single values, drawn as dots. */
  readonly values: readonly number[];
}

export interface BarChartOptions {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly bars: readonly Bar[];
  /** A value for the axis or the description. */
  readonly format: (value: number) => string;
}

/** In the units of the view box; the page scales it. */
const WIDTH = 560;
const ROW = 34;
const THICKNESS = 18;
const MARGIN = { top: 6, right: 18, bottom: 26, left: 226 };

/** A chart whose value axis begins at 0. A whisker spans one standard deviation to either side of the mean. */
export function barChart({ id, title, bars, format }: BarChartOptions): Html {
  const height = MARGIN.top + bars.length * ROW + MARGIN.bottom;
  const most = Math.max(
    ...bars.flatMap(({ mean, deviation, values }) => [mean + deviation, ...values]),
    Number.MIN_VALUE,
  );
  const x = scaleLinear([0, most], [MARGIN.left, WIDTH - MARGIN.right]).nice(5);
  const at = (value: number): string => x(Math.max(0, value)).toFixed(1);
  const description = bars.map(
    ({ name, mean, deviation, values }) =>
      `${name} ${format(mean)}${values.length > 1 ? ` ± ${format(deviation)}` : ''}`,
  );
  return html`
<figure class="chart">
  <figcaption>${title}</figcaption>
  <svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-description">
    <desc id="${id}-description">${title}: ${description.join('; ')}.</desc>
    <g class="axis">
      ${x.ticks(5).map(
        (tick) => html`<path d="M${at(tick)} ${MARGIN.top}V${height - MARGIN.bottom}"/>
      <text x="${at(tick)}" y="${height - 8}" text-anchor="middle">${x.tickFormat(5)(tick)}</text>`,
      )}
    </g>
    ${bars.map(({ name, mean, deviation, values }, i) => {
      const y = MARGIN.top + (i + 0.5) * ROW;
      const [low, high] = [at(mean - deviation), at(mean + deviation)];
      return html`<text class="name" x="${MARGIN.left - 10}" y="${y}" dy="0.32em" text-anchor="end">${name}</text>
    <rect class="mean" x="${MARGIN.left}" y="${y - THICKNESS / 2}" width="${(x(mean) - MARGIN.left).toFixed(1)}" height="${THICKNESS}"/>
    ${deviation > 0 ? html`<path class="whisker" d="M${low} ${y}H${high}M${low} ${y - 5}v10M${high} ${y - 5}v10"/>` : undefined}
    ${values.map((value) => html`<circle class="dot" cx="${at(value)}" cy="${y}" r="3.5"/>`)}
    `;
    })}
  </svg>
</figure>`;
}
