/** Curves over training steps as an SVG that needs no script. */
import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { type Html, html } from './html.ts';

export interface Series {
  readonly name: string;
  /** Values by ascending step, not finite where there is none. */
  readonly values: readonly { readonly step: number; readonly value: number }[];
}

export interface LineChartOptions {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly series: readonly Series[];
  /** A value for an axis or the legend. */
  readonly format: (value: number) => string;
}

/** In the units of the view box; the page scales it. */
const [WIDTH, HEIGHT] = [560, 250];
const MARGIN = { top: 10, right: 14, bottom: 36, left: 54 };
/** More points than this would only draw noise: each point is the mean of a stretch of steps. */
const POINTS = 120;
/** Colours of the style sheet; series beyond them are dashed. */
const COLOURS = 8;

/** A chart with axes and a legend that gives each series' last value. The value axis begins at 0. */
export function lineChart({ id, title, series, format }: LineChartOptions): Html {
  const smooth = series.map(({ name, values }) => ({ name, values: stretchMeans(values) }));
  const all = smooth.flatMap(({ values }) => values);
  const ends = series.flatMap(({ values }) => [values[0]?.step ?? 0, values.at(-1)?.step ?? 0]);
  const x = scaleLinear([Math.min(...ends), Math.max(...ends)], [MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLinear(
    [0, Math.max(...all.map(({ value }) => value), Number.MIN_VALUE)],
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  ).nice(5);
  const path = line<Series['values'][number]>(
    ({ step }) => x(step),
    ({ value }) => y(value),
  ).digits(1);
  const last = smooth.map(({ values }) => values.at(-1)?.value ?? Number.NaN);
  const description = smooth.map(
    ({ name, values }, i) => `${name} from ${format(values[0]?.value ?? Number.NaN)} to ${format(last[i])}`,
  );
  return html`
<figure class="chart">
  <figcaption>${title}</figcaption>
  <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-description">
    <desc id="${id}-description">${title} over training steps: ${description.join('; ')}.</desc>
    <g class="axis">
      ${y.ticks(5).map(
        (tick) => html`<path d="M${MARGIN.left} ${y(tick).toFixed(1)}H${WIDTH - MARGIN.right}"/>
      <text x="${MARGIN.left - 8}" y="${y(tick).toFixed(1)}" dy="0.32em" text-anchor="end">${format(tick)}</text>`,
      )}
      ${x
        .ticks(6)
        .map(
          (tick) =>
            html`<text x="${x(tick).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${x.tickFormat(6, '~d')(tick)}</text>`,
        )}
      <text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 4}" text-anchor="middle">step</text>
    </g>
    ${smooth.map(({ values }, i) => html`<path class="line ${seriesClass(i)}" d="${path(values) ?? ''}"/>`)}
  </svg>
  <ul class="legend">
    ${smooth.map(
      ({ name }, i) =>
        html`<li><svg viewBox="0 0 18 4" aria-hidden="true"><path class="line ${seriesClass(i)}" d="M1 2H17"/></svg>${name} <b>${format(last[i])}</b></li>`,
    )}
  </ul>
</figure>`;
}

const seriesClass = (i: number): string => `series-${(i % COLOURS) + 1}${i < COLOURS ? '' : ' dashed'}`;

/** Means over stretches of equally many points; what is not finite is left out. */
function stretchMeans(values: Series['values']): Series['values'] {
  const finite = values.filter(({ value }) => Number.isFinite(value));
  const size = Math.ceil(finite.length / POINTS);
  return Array.from({ length: Math.ceil(finite.length / Math.max(1, size)) }, (_, i) => {
    const stretch = finite.slice(i * size, (i + 1) * size);
    return { step: mean(stretch.map(({ step }) => step)), value: mean(stretch.map(({ value }) => value)) };
  });
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
