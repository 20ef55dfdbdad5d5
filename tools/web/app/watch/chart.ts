/** A line chart over steps, and its legend with the values at the pointer. */
import uPlot from 'uplot';
import { el } from '../dom.ts';

export interface ChartSeries {
  readonly name: string;
  /** A colour of the style sheet, `--c1` for example. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  /** Points rather than a line between many steps. */
  readonly dots?: boolean;
}

export interface ChartData {
  readonly steps: readonly number[];
  /** Where the axis of steps ends unless a part of it was chosen. */
  readonly end: number;
  readonly series: readonly ChartSeries[];
}

export interface ChartOptions {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Shown while there is nothing to draw. */
  readonly empty: string;
  readonly controls?: readonly HTMLElement[];
}

const HEIGHT = 220;
const FONT = '12px system-ui, sans-serif';
/** Charts of one page show the same step. */
const SYNC = 'steps';

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plot = el('div', { class: 'plot', role: 'img' });
  readonly #legend = el('ul', { class: 'legend' });
  readonly #resize = new ResizeObserver(() => this.#fit());
  readonly #scheme = window.matchMedia('(prefers-color-scheme: dark)');
  readonly #onScheme = (): void => this.#rebuild();
  readonly #hidden = new Set<string>();
  #uplot: uPlot | undefined;
  #data: ChartData = { steps: [], end: 0, series: [] };
  #logarithmic = false;
  #outputs: HTMLElement[] = [];

  constructor(options: ChartOptions) {
    this.#options = options;
    this.element = el(
      'figure',
      { class: 'card chart' },
      el('figcaption', {}, el('h2', {}, options.title), el('div', { class: 'controls' }, options.controls)),
      this.#plot,
      this.#legend,
    );
    this.#resize.observe(this.#plot);
    this.#scheme.addEventListener('change', this.#onScheme);
  }

  set logarithmic(on: boolean) {
    this.#logarithmic = on;
    this.#rebuild();
  }

  show(data: ChartData): void {
    const before = this.#data;
    this.#data = data;
    const same = before.series.map(({ name }) => name).join() === data.series.map(({ name }) => name).join();
    const filled = (one: ChartData): boolean => one.steps.length > 0;
    if (this.#uplot && same && filled(before) === filled(data)) this.#uplot.setData(aligned(data));
    else this.#rebuild();
    this.#describe();
  }

  destroy(): void {
    this.#resize.disconnect();
    this.#scheme.removeEventListener('change', this.#onScheme);
    this.#uplot?.destroy();
  }

  #rebuild(): void {
    this.#uplot?.destroy();
    this.#uplot = undefined;
    this.#plot.replaceChildren();
    const { steps, series } = this.#data;
    this.#drawLegend();
    if (steps.length === 0) {
      this.#plot.replaceChildren(el('p', { class: 'muted' }, this.#options.empty));
      return;
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis = { stroke: colour('--muted'), font: FONT, ticks: { show: false } };
    const grid = { stroke: colour('--rule'), width: 1 };
    const { format } = this.#options;
    this.#uplot = new uPlot(
      {
        width: Math.max(120, this.#plot.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { sync: { key: SYNC, setSeries: false }, points: { size: 7 }, drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (_, low, high) => this.#span(low, high) },
          y: this.#logarithmic ? { distr: 3 } : { range: (_, low, high) => bounds(low, high) },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 28,
            values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : '')),
          },
          { ...axis, grid, size: 58, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : format(tick))) },
        ],
        series: [
          {},
          ...series.map(({ name, colour: own, dots }) => ({
            label: name,
            stroke: colour(own),
            width: name === 'total' ? 2.5 : 1.75,
            show: !this.#hidden.has(name),
            spanGaps: true,
            points: { show: dots ?? steps.length < 2, size: 6, fill: colour(own) },
          })),
        ],
        hooks: { setCursor: [({ cursor: { idx } }) => this.#showValues(idx ?? null)] },
      },
      aligned(this.#data),
      this.#plot,
    );
  }

  /** From 0 to the end, or the part that was chosen with the pointer. */
  #span(low: number, high: number): [number, number] {
    const { steps, end } = this.#data;
    const isWhole = low <= (steps[0] ?? 0) && high >= (steps.at(-1) ?? 0);
    return isWhole ? [0, Math.max(end, high)] : [low, high];
  }

  #fit(): void {
    const width = this.#plot.clientWidth;
    if (this.#uplot && width > 0 && width !== this.#uplot.width) this.#uplot.setSize({ width, height: HEIGHT });
  }

  /** Names that switch their line off and on. */
  #drawLegend(): void {
    this.#outputs = [];
    this.#legend.replaceChildren(
      ...this.#data.series.map(({ name, colour }, i) => {
        const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
        swatch.style.setProperty('--swatch', `var(${colour})`);
        const output = el('b', {});
        this.#outputs.push(output);
        const button = el(
          'button',
          { type: 'button', 'aria-pressed': String(!this.#hidden.has(name)) },
          swatch,
          name,
          output,
        );
        button.addEventListener('click', () => {
          if (!this.#hidden.delete(name)) this.#hidden.add(name);
          const on = !this.#hidden.has(name);
          button.setAttribute('aria-pressed', String(on));
          this.#uplot?.setSeries(i + 1, { show: on });
        });
        return el('li', {}, button);
      }),
    );
    this.#showValues(null);
  }

  /** Values at a place of the data, or the last ones. */
  #showValues(at: number | null): void {
    this.#data.series.forEach(({ values }, i) => {
      const value = at === null ? values.findLast((one) => one !== null) : values[at];
      if (this.#outputs[i])
        this.#outputs[i].textContent = value === null || value === undefined ? '' : this.#options.format(value);
    });
  }

  #describe(): void {
    const { steps, series } = this.#data;
    const { title, format, empty } = this.#options;
    this.#showValues(this.#uplot?.cursor.idx ?? null);
    const parts = series.map(({ name, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? `${name} none` : `${name} from ${format(known[0])} to ${format(known.at(-1)!)}`;
    });
    this.#plot.setAttribute(
      'aria-label',
      steps.length === 0 ? `${title}: ${empty}` : `${title}, step ${steps[0]} to ${steps.at(-1)}: ${parts.join('; ')}`,
    );
  }
}

const aligned = ({ steps, series }: ChartData): uPlot.AlignedData => [
  [...steps],
  ...series.map(({ values }) => [...values]),
];

/** From 0, with some air above. */
const bounds = (_low: number | null, high: number | null): [number, number] => [
  0,
  (high ?? 1) > 0 ? 1.06 * (high ?? 1) : 1,
];
