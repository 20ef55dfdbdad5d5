/** What was found in a data set, as pictures. */
import { basename, join, parse, resolve } from 'node:path';
import { type CocoAnnotation, type CocoJson, type CocoResult, segmentationRuns } from '@cim/model/evaluate/coco-json';
import { decodeRle, maskOfRuns, type XywhBox } from '@cim/model/evaluate/rle';
import type { RgbImage } from '@cim/model/image';
import type { Dataset, DatasetImage } from '../datasets/dataset.ts';
import { DataError, firstNames, type ImageError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import type { DecodedImage } from '../images/decode.ts';
import { ImageLoader } from '../images/loader.ts';
import { encodePng } from '../images/png.ts';
import { contactSheet } from './contact-sheet.ts';
import { type DrawnInstance, drawInstances } from './overlay.ts';

export interface DrawOptions {
  readonly dataset: Dataset;
  /** Detections, drawn on the right or alone; null draws none. */
  readonly results: readonly CocoResult[] | null;
  /** Objects, drawn on the left or alone; null draws none. */
  readonly groundTruth: CocoJson | null;
  /** Where the pictures go. */
  readonly folder: string;
  /** How many images, spread over the data set; all of them if absent. */
  readonly limit?: number;
  /** Detections with a lower score are left out. */
  readonly minScore: number;
  /** Told of every image that cannot be decoded and is left out. */
  readonly report?: (error: ImageError) => void;
}

export interface Picture {
  /** The image's name. */
  readonly title: string;
  /** What the picture shows. */
  readonly caption: string;
  /** Relative to the folder's parent. */
  readonly file: string;
}

/** Smaller images are enlarged, by a whole number, to at most this longer side, pixels. */
const PICTURE_SIZE = 480;
/** Pictures on the contact sheet, the first ones. */
const SHEET_LIMIT = 24;
const SHEET_NAME = 'contact-sheet';

/**
 * Writes a PNG file for each image, objects left and detections right, and `contact-sheet.png` of the first ones.
 *
 * @returns the pictures without the contact sheet, in the order of the images.
 * @throws DataError when a category or the size of a mask does not fit the data set; ImageError when more than 1 % of
 *   the images are bad; OutputError when a file cannot be written.
 */
export async function drawDetections(options: DrawOptions): Promise<Picture[]> {
  const { dataset, folder, minScore, limit = dataset.images.length } = options;
  const count = Math.min(limit, dataset.images.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => dataset.images[Math.floor((i * dataset.images.length) / count)],
  );
  const objects = options.groundTruth && byImage(options.groundTruth.annotations);
  const detections = options.results && byImage(options.results.filter(({ score }) => score >= minScore));
  const loader = new ImageLoader({ cacheBytes: 0, report: options.report });
  const names = new Set([SHEET_NAME]);
  const pictures: Picture[] = [];
  const sheet: RgbImage[] = [];
  for await (const { item, image } of loader.inOrder(chosen)) {
    const { picture, caption } = drawImage(dataset, item, image, {
      objects: objects && (objects.get(item.id) ?? []),
      detections: detections && (detections.get(item.id) ?? []),
    });
    const { dir, name: base } = parse(item.fileName);
    const stem = join(dir, base).replace(/[/\\]/g, '-');
    const name = names.has(stem) ? `${stem}-${item.id}` : stem;
    names.add(name);
    await writeFileAtomic(join(folder, `${name}.png`), encodePng(picture));
    pictures.push({ title: item.fileName, caption, file: `${basename(resolve(folder))}/${name}.png` });
    if (sheet.length < SHEET_LIMIT) sheet.push(picture);
  }
  if (sheet.length > 0) await writeFileAtomic(join(folder, `${SHEET_NAME}.png`), encodePng(contactSheet(sheet, 3)));
  return pictures;
}

function byImage<T extends { readonly image_id: number }>(entries: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const entry of entries) {
    const group = groups.get(entry.image_id);
    if (group) group.push(entry);
    else groups.set(entry.image_id, [entry]);
  }
  return groups;
}

function drawImage(
  dataset: Dataset,
  { fileName }: DatasetImage,
  image: DecodedImage,
  { objects, detections }: { objects: readonly CocoAnnotation[] | null; detections: readonly CocoResult[] | null },
): { picture: RgbImage; caption: string } {
  const { width, height } = image;
  const zoom = Math.max(1, Math.floor(PICTURE_SIZE / Math.max(width, height)));
  const instance = (category: number, mask: Uint8Array, bbox?: XywhBox, score?: number): DrawnInstance => {
    const classIndex = dataset.classes.findIndex((known) => known.id === category);
    if (classIndex < 0 || mask.length !== width * height) {
      throw new DataError(
        classIndex < 0
          ? `An instance in ${fileName} has the category ${category}, which "${dataset.name}" lacks.`
          : `A mask in ${fileName} has ${mask.length} pixels, the image ${height} × ${width}.`,
        'Use the data set that the results were made from.',
      );
    }
    const box = bbox && ([bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]] as const);
    return { mask, box, classIndex, className: dataset.classes[classIndex].name, score };
  };
  const panels: RgbImage[] = [];
  const captions: string[] = [];
  if (objects) {
    const drawn = objects
      .toSorted((a, b) => b.area - a.area) // small ones on top
      .map(({ category_id, segmentation }) =>
        instance(category_id, maskOfRuns(segmentationRuns(segmentation, height, width))),
      );
    panels.push(drawInstances(image, drawn, zoom));
    captions.push(`Objects: ${firstNames(drawn.map(({ className }) => className)) || 'none'}`);
  }
  if (detections) {
    const drawn = detections
      .toSorted((a, b) => a.score - b.score) // the surest on top
      .map(({ category_id, segmentation, bbox, score }) =>
        segmentation
          ? instance(category_id, decodeRle(segmentation), undefined, score)
          : instance(category_id, new Uint8Array(width * height), bbox, score),
      );
    panels.push(drawInstances(image, drawn, zoom));
    const surest = drawn.toReversed().map(({ className, score }) => `${className} ${score?.toFixed(2)}`);
    captions.push(`Found: ${firstNames(surest) || 'nothing'}`);
  }
  return { picture: panels.length === 1 ? panels[0] : contactSheet(panels, 2), caption: captions.join('. ') };
}
