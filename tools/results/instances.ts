/** From scores of proposals to instances (evaluation.py). */
import { selectDetections } from '@cim/model/detect/select-detections';
import type { CocoCategory, CocoResult } from '@cim/model/evaluate/coco-json';
import type { XywhBox } from '@cim/model/evaluate/rle';
import { DataError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { type KnownImage, matchImages } from './open-scores.ts';
import { readProposalMasks } from './proposal-masks.ts';
import type { ScoreSource } from './scores.ts';

interface SizedImage {
  readonly id: number;
  readonly fileName: string;
  readonly width: number;
  readonly height: number;
}

export interface InstanceOptions {
  readonly source: ScoreSource;
  /** Ascending by id. */
  readonly images: readonly SizedImage[];
  /** All images of the data set, where `images` are some of them. */
  readonly known?: readonly KnownImage[];
  /** By class index. */
  readonly categories: readonly CocoCategory[];
  /** The folder of the proposals that were scored. Without it results have boxes instead of masks. */
  readonly proposals?: string;
  /** Told after each image. */
  readonly onImage?: () => void;
}

/**
 * The detections of each image with their masks, or boxes: by image, class, then proposal.
 *
 * @throws DataError when scores, images, classes and proposals do not belong together.
 */
export async function* instanceResults({
  source,
  images,
  known = images,
  categories,
  proposals,
  onImage,
}: InstanceOptions): AsyncGenerator<CocoResult[]> {
  requireClasses(source, categories.length);
  const indices = matchImages(source, known);
  for (const image of images) {
    const index = indices.get(image.id);
    onImage?.();
    if (index === undefined || source.images[index].count === 0) continue;
    const { scores, boxes } = await source.read(index);
    const masks = proposals && (await readProposalMasks(proposals, image, source.images[index].count));
    yield selectDetections(scores, boxes).map(({ proposal, classIndex, score }) => ({
      image_id: image.id,
      category_id: categories[classIndex].id,
      score,
      ...(masks ? { segmentation: masks.mask(proposal) } : { bbox: boxOf(boxes.subarray(4 * proposal)) }),
    }));
  }
}

/** Inclusive corners as COCO writes boxes. */
const boxOf = ([x1, y1, x2, y2]: Float32Array): XywhBox => [x1, y1, x2 - x1 + 1, y2 - y1 + 1];

/** @throws DataError when the scores are of another number of classes. */
export function requireClasses({ name, classes, images }: ScoreSource, expected: number): void {
  if (classes === expected || images.length === 0) return;
  throw new DataError(
    `${name} scores ${classes} classes, the annotations have ${expected}.`,
    'Use the annotations of the data set that was tested.',
  );
}

/** Writes a COCO result file, a detection a line. @throws OutputError when it cannot be written. */
export const writeCocoResults = (
  path: string,
  results: Iterable<CocoResult> | AsyncIterable<CocoResult>,
): Promise<void> => writeFileAtomic(path, lines(results));

async function* lines(results: Iterable<CocoResult> | AsyncIterable<CocoResult>): AsyncIterable<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '[';
  let separator = '\n';
  for await (const result of results) {
    text += separator + JSON.stringify(result);
    separator = ',\n';
    if (text.length < 1 << 20) continue;
    yield encoder.encode(text);
    text = '';
  }
  yield encoder.encode(`${text}\n]\n`);
}
