/** The kernels that training spends its time in, at the sizes of HRNet-W48 on images of 480×640. */
import type { ConvShape, GemmShape } from '@cim/kernels';
import { closest } from 'fastest-levenshtein';
import { ConfigError } from '../errors.ts';
import type { BenchItem, TunedItem } from './item.ts';
import { blobMasks, noiseMasks, overlapItem } from './overlap-item.ts';
import { type ProblemItem, problemItem } from './problem-item.ts';

type ConvSizes = Omit<ConvShape, 'stride' | 'padding' | 'dilation'> & { readonly stride?: number };

/** A convolution without bias, padded to keep its size at stride 1, and its two gradients. */
export function convItems(id: string, sizes: ConvSizes): ProblemItem[] {
  const s: ConvShape = { stride: 1, dilation: 1, ...sizes, padding: (sizes.kh - 1) / 2 };
  const stride = s.stride > 1 ? ` stride ${s.stride}` : '';
  const title = `conv ${s.ci}→${s.co} ${s.kh}×${s.kw}${stride} at ${s.n > 1 ? `${s.n}×` : ''}${s.h}×${s.w}`;
  const item = (pass: 'forward' | 'inputGradient' | 'weightGradient', of: string): ProblemItem =>
    problemItem(`${id}.${pass}`, `${title}${of}`, { family: `conv.${pass}`, shape: s });
  return [
    item('forward', ''),
    item('inputGradient', ', gradient to x'),
    item('weightGradient', ', gradient to the weight'),
  ];
}

/** A matrix product; A, B and C by their shapes in memory. */
export const gemmItem = (id: string, title: string, shape: GemmShape): ProblemItem =>
  problemItem(id, title, { family: 'gemm', shape });

/** A linear layer of `rows` inputs without bias, x [rows, inner], weight [outer, inner], and its two gradients. */
export function linearItems(id: string, rows: number, inner: number, outer: number): ProblemItem[] {
  const title = `linear ${rows}×${inner}→${outer}`;
  return [
    gemmItem(`${id}.forward`, title, { m: rows, n: outer, k: inner, transposeB: true }),
    gemmItem(`${id}.inputGradient`, `${title}, gradient to x`, { m: rows, n: inner, k: outer }),
    gemmItem(`${id}.weightGradient`, `${title}, gradient to the weight`, {
      m: outer,
      n: inner,
      k: rows,
      transposeA: true,
    }),
  ];
}

/** RoIs of the mask branch's convolution. */
const ROIS = { full: 200, quick: 20 };

/** The items that other libraries can compute too. */
export const comparableItems = ({ quick }: { quick: boolean }): ProblemItem[] => [
  ...convItems('a', { n: 1, ci: 64, co: 64, kh: 3, kw: 3, h: 120, w: 160 }),
  ...convItems('b', { n: 1, ci: 48, co: 48, kh: 3, kw: 3, h: 120, w: 160 }),
  ...convItems('c', { n: 1, ci: 96, co: 96, kh: 3, kw: 3, h: 60, w: 80 }),
  ...convItems('d', { n: 1, ci: 192, co: 192, kh: 3, kw: 3, h: 30, w: 40 }),
  ...convItems('e', { n: 1, ci: 384, co: 384, kh: 3, kw: 3, h: 15, w: 20 }),
  ...convItems('f', { n: 1, ci: 256, co: 64, kh: 1, kw: 1, h: 120, w: 160 }),
  ...convItems('g', { n: 1, ci: 3, co: 64, kh: 3, kw: 3, h: 480, w: 640, stride: 2 }),
  ...convItems('m', { n: quick ? ROIS.quick : ROIS.full, ci: 512, co: 256, kh: 3, kw: 3, h: 7, w: 7 }),
  gemmItem('G1', 'matrix product 1024×1024×1024', { m: 1024, n: 1024, k: 1024 }),
  ...linearItems('G2', 200, 12544, 1024),
];

export const standardItems = (options: { quick: boolean }): TunedItem[] => [
  ...comparableItems(options),
  overlapItem('mask.blobs', 'blobs', blobMasks, 1000, 500, 375),
  overlapItem('mask.noise', 'masks of noise', noiseMasks, 1000, 500, 375),
];

/**
 * The items whose id, or a part of it, is one of `words`; all without words.
 * @throws ConfigError for a word that names no item.
 */
export function selectItems<Item extends Pick<BenchItem, 'id'>>(
  items: readonly Item[],
  words: readonly string[],
): Item[] {
  const namedBy = (id: string, word: string): boolean => id === word || id.split('.').includes(word);
  for (const word of words) {
    if (items.some(({ id }) => namedBy(id, word))) continue;
    const names = [...new Set(items.flatMap(({ id }) => [id, ...id.split('.')]))];
    throw new ConfigError(
      `--filter ${word} names nothing that is measured.`,
      `Did you mean ${closest(word, names)}? The names are ${names.join(', ')}.`,
    );
  }
  return items.filter(({ id }) => words.length === 0 || words.some((word) => namedBy(id, word)));
}
