/** Made-up proposals, overlaps and scores for tests of mining. */
import type { Scores } from '@cim/kernels/mining/mining.reference';
import { Generator } from '@cim/runtime';

/** What proposals and scores of a case are like. */
export interface Case {
  readonly n: number;
  readonly classes: number;
  readonly background: boolean;
  /** The detector: one score a class, one for all, or none. */
  readonly detector: 'classes' | 'agnostic' | 'none';
  readonly positives: number;
  /** Distinct score values; few make ties. */
  readonly levels: number;
  /** The share of the proposals that are as large as the image. */
  readonly big: number;
  readonly seeds: number;
}

const DEFAULT: Case = {
  n: 50,
  classes: 20,
  background: true,
  detector: 'classes',
  positives: 3,
  levels: 1e6,
  big: 0.05,
  seeds: 5,
};

/** Proposals are random intervals of 64 pixels, so maps are those of real masks; values are multiples of 1/1024. */
export function makeCase(given: Partial<Case>, seed: number) {
  const c = { ...DEFAULT, ...given };
  const generator = new Generator(seed);
  const intervals = Array.from({ length: c.n }, () => {
    const length = generator.uniform() < c.big ? 64 : 1 + generator.integer(generator.integer(40) + 1);
    const begin = generator.integer(65 - length);
    return [begin, begin + length];
  });
  const iou = new Float32Array(c.n * c.n);
  const containment = new Float32Array(c.n * c.n);
  const grid = (x: number) => Math.round(x * 1024) / 1024;
  intervals.forEach(([a, b], i) =>
    intervals.forEach(([from, to], j) => {
      const both = Math.max(0, Math.min(b, to) - Math.max(a, from));
      iou[i * c.n + j] = grid(both / (b - a + to - from - both));
      containment[i * c.n + j] = grid(both / (to - from));
    }),
  );
  const clsColumns = c.classes + (c.background ? 1 : 0);
  const detColumns = { classes: clsColumns, agnostic: 1, none: 0 }[c.detector];
  const score = () => Math.fround((1 + generator.integer(c.levels)) / (c.levels + 1));
  const labels = new Float32Array(c.classes);
  for (let k = 0; k < c.positives; k++) labels[generator.integer(c.classes)] = 1;
  const scores: Scores = {
    n: c.n,
    classes: c.classes,
    clsColumns,
    detColumns,
    cls: Float32Array.from({ length: c.n * clsColumns }, score),
    det: Float32Array.from({ length: Math.max(1, c.n * detColumns) }, score),
    labels,
  };
  return { scores, iou, containment, seeds: Math.min(c.seeds, c.n) };
}

export type MiningCase = ReturnType<typeof makeCase>;

export const CASES: Record<string, Partial<Case>> = {
  'one proposal': { n: 1, seeds: 1, positives: 1 },
  'two proposals': { n: 2, seeds: 1, big: 0 },
  'ordinary scores': {},
  'tied scores': { levels: 3, seeds: 20 },
  'one score': { levels: 1, seeds: 30, positives: 5 },
  'no positive class': { positives: 0 },
  'all proposals big': { big: 1 },
  'every proposal a seed': { n: 33, seeds: 33 },
  'no background column': { n: 31, background: false },
  'class-agnostic detector': { n: 63, detector: 'agnostic' },
  'no detector': { n: 41, detector: 'none', levels: 9 },
  'many classes': { n: 65, classes: 81, positives: 60 },
  'more proposals than a workgroup': { n: 301, seeds: 31 },
};
