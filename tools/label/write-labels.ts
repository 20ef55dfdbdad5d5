import type { CocoCategory } from '@cim/model/evaluate/coco-json';
import {
  imageAnnotations,
  imageEntry,
  type LabelledImage,
  type PseudoLabelImage,
  type PseudoLabelOptions,
} from '@cim/model/label/pseudo-labels';
import { writeFileAtomic } from '../formats/atomic.ts';

export interface LabelCounts {
  readonly images: number;
  /** Images with an annotation. */
  readonly covered: number;
  readonly annotations: number;
}

/**
 * Writes an annotation file for Mask R-CNN, an image at a time, in the order of `change_mask_thr.py`: annotations,
 * categories, images. See `pseudoLabels` for what it holds.
 *
 * @param images ascending by id.
 * @param categories by class index.
 * @throws MaskError when a mask has not its image's size; OutputError when the file cannot be written.
 */
export async function writePseudoLabels(
  path: string,
  images: AsyncIterable<LabelledImage>,
  categories: readonly CocoCategory[],
  options: PseudoLabelOptions = {},
): Promise<LabelCounts> {
  const entries: PseudoLabelImage[] = [];
  let annotations = 0;
  let covered = 0;
  async function* text(): AsyncGenerator<string> {
    yield '{"annotations": [';
    for await (const image of images) {
      const own = imageAnnotations(image, categories, annotations + 1, options);
      entries.push(imageEntry(image));
      if (own.length === 0) continue;
      yield (annotations === 0 ? '\n' : ',\n') + own.map((annotation) => JSON.stringify(annotation)).join(',\n');
      annotations += own.length;
      covered++;
    }
    yield `\n], "categories": ${JSON.stringify(categories)}, "images": [\n`;
    for (const [i, entry] of entries.entries()) yield `${i === 0 ? '' : ',\n'}${JSON.stringify(entry)}`;
    yield '\n]}\n';
  }
  await writeFileAtomic(path, encoded(text()));
  return { images: entries.length, covered, annotations };
}

/** Bytes of texts, gathered to pieces of some size. */
async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let piece = '';
  for await (const text of texts) {
    piece += text;
    if (piece.length < 1 << 20) continue;
    yield encoder.encode(piece);
    piece = '';
  }
  yield encoder.encode(piece);
}
