/** Points on two logarithmic axes, where a power law is a straight line, as an SVG that needs no script. */
import { scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { type Html, html } from './html.ts';

export interface LogLogSeries {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LogLogOptions {
  readonly title: string;
  readonly series: readonly LogLogSeries[];
  readonly x: { readonly label: string; readonly format: (value: number) => string };
  readonly y: { readonly label: string; readonly format: (value: number) => string };
}

export const PLOT = { width: 330, height: 260 };
const MARGIN = { top: 34, right: 12, bottom: 40, left: 58 };
/** Of the line that grows as the first series would if it were proportional to x. */
const PROPORTIONAL = 'proportional';

/** The contents of an `svg` of {@link PLOT}'s size. A dashed line is proportional to x. */
export function logLogPlot({ title, series, x, y }: LogLogOptions): Html {
  const points = series.flatMap((one) => one.points);
  const [first] = series[0].points;
  const ends = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))];
  const guide = ends.map((end) => ({ x: end, y: (first.y * end) / first.x }));
  const heights = [...points, ...guide].map((p) => p.y);
  const across = scaleLog(ends, [MARGIN.left, PLOT.width - MARGIN.right]);
  const up = scaleLog(
    [Math.min(...heights) / 1.2, 1.2 * Math.max(...heights)],
    [PLOT.height - MARGIN.bottom, MARGIN.top],
  );
  const path = line<{ x: number; y: number }>(
    (p) => across(p.x),
    (p) => up(p.y),
  ).digits(1);
  const columns = [...new Set(points.map((p) => p.x))];
  const description = series.map(
    ({ name, points: [from, ...rest] }) => `${name} from ${y.format(from.y)} to ${y.format((rest.at(-1) ?? from).y)}`,
  );
  return html`<desc>${title}: ${description.join('; ')}.</desc>
<text class="title" x="${MARGIN.left}" y="16">${title}</text>
<g class="axis">
${powers(up.domain()).map(
  (value) => html`<path d="M${MARGIN.left} ${up(value).toFixed(1)}H${PLOT.width - MARGIN.right}"/>
<text x="${MARGIN.left - 6}" y="${up(value).toFixed(1)}" dy="0.32em" text-anchor="end">${y.format(value)}</text>
`,
)}${columns.map(
  (value) =>
    html`<text x="${across(value).toFixed(1)}" y="${PLOT.height - MARGIN.bottom + 16}" text-anchor="middle">${x.format(value)}</text>
`,
)}<text x="${(MARGIN.left + PLOT.width - MARGIN.right) / 2}" y="${PLOT.height - 6}" text-anchor="middle">${x.label}</text>
</g>
<path class="line dashed guide" d="${path(guide) ?? ''}"><title>${PROPORTIONAL}</title></path>
${series.map(
  ({ name, points: of }, i) => html`<g class="series-${i + 1}"><path class="line" d="${path([...of]) ?? ''}"/>
${of.map((p) => html`<circle cx="${across(p.x).toFixed(1)}" cy="${up(p.y).toFixed(1)}" r="3.5"/>`)}
<text class="label" x="${MARGIN.left + 8}" y="${MARGIN.top + 14 + 16 * i}">${name}</text></g>
`,
)}`;
}

/** Where grid lines go: powers of ten, and where these are few, numbers between them. */
function powers([low, high]: readonly number[]): number[] {
  const steps = high / low > 300 ? [1] : high / low > 30 ? [1, 3] : [1, 2, 5];
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  return Array.from({ length: to - from + 1 }, (_, i) => steps.map((step) => step * 10 ** (from + i)))
    .flat()
    .filter((value) => value >= low * 0.999 && value <= high * 1.001);
}
