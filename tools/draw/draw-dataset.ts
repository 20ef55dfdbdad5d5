/** What was found in a data set, as pictures. */
import { basename, join, parse, resolve } from 'node:path';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import type { RgbImage } from '@cim/model/image';
import { maskBox } from '@cim/model/masks/index';
import type { Dataset } from '../datasets/dataset.ts';
import type { ImageError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { ImageLoader } from '../images/loader.ts';
import { encodePng } from '../images/png.ts';
import { contactSheet } from './contact-sheet.ts';
import { type DrawnInstance, drawInstances } from './overlay.ts';
import { detectionsPanel, objectsPanel, type Panel } from './panels.ts';

export interface DrawPanelsOptions {
  readonly dataset: Dataset;
  /** What stands side by side in the picture of an image. */
  readonly panels: readonly Panel[];
  /** Where the pictures go. */
  readonly folder: string;
  /** How many images, spread over the data set; all of them if absent. */
  readonly limit?: number;
  /** Adds the boxes of masks. */
  readonly boxes?: boolean;
  /** Told of every image that cannot be decoded and is left out. */
  readonly report?: (error: ImageError) => void;
}

export interface DrawOptions extends Omit<DrawPanelsOptions, 'panels'> {
  /** Detections, drawn on the right or alone; null draws none. */
  readonly results: readonly CocoResult[] | null;
  /** Objects, drawn on the left or alone; null draws none. */
  readonly groundTruth: CocoJson | null;
  /** Detections with a lower score are left out. */
  readonly minScore: number;
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

/** {@link drawPanels} of objects left and detections right. */
export function drawDetections({ results, groundTruth, minScore, ...options }: DrawOptions): Promise<Picture[]> {
  const { dataset } = options;
  return drawPanels({
    ...options,
    panels: [
      ...(groundTruth ? [objectsPanel(dataset, groundTruth)] : []),
      ...(results ? [detectionsPanel(dataset, results, minScore)] : []),
    ],
  });
}

/**
 * Writes a PNG file for each image, its panels side by side, and `contact-sheet.png` of the first ones.
 *
 * @returns the pictures without the contact sheet, in the order of the images.
 * @throws DataError when a category or the size of a mask does not fit the data set; ImageError when more than 1 % of
 *   the images are bad; OutputError when a file cannot be written.
 */
export async function drawPanels(options: DrawPanelsOptions): Promise<Picture[]> {
  const { dataset, panels, folder, boxes = false, limit = dataset.images.length } = options;
  const count = Math.min(limit, dataset.images.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => dataset.images[Math.floor((i * dataset.images.length) / count)],
  );
  const loader = new ImageLoader({ cacheBytes: 0, report: options.report });
  const names = new Set([SHEET_NAME]);
  const pictures: Picture[] = [];
  const sheet: RgbImage[] = [];
  for await (const { item, image } of loader.inOrder(chosen)) {
    const { width, height } = image;
    const zoom = Math.max(1, Math.floor(PICTURE_SIZE / Math.max(width, height)));
    const drawn: RgbImage[] = [];
    const captions: string[] = [];
    for (const panel of panels) {
      const { instances, caption } = await panel.draw({ ...item, width, height });
      drawn.push(drawInstances(image, boxes ? instances.map((one) => boxed(one, width)) : instances, zoom));
      captions.push(caption);
    }
    const { dir, name: base } = parse(item.fileName);
    const stem = join(dir, base).replace(/[/\\]/g, '-');
    const name = names.has(stem) ? `${stem}-${item.id}` : stem;
    names.add(name);
    // Four panels make a square.
    const picture = drawn.length === 1 ? drawn[0] : contactSheet(drawn, drawn.length === 4 ? 2 : drawn.length);
    await writeFileAtomic(join(folder, `${name}.png`), encodePng(picture));
    pictures.push({
      title: item.fileName,
      caption: captions.join('. '),
      file: `${basename(resolve(folder))}/${name}.png`,
    });
    if (sheet.length < SHEET_LIMIT) sheet.push(picture);
  }
  if (sheet.length > 0) await writeFileAtomic(join(folder, `${SHEET_NAME}.png`), encodePng(contactSheet(sheet, 3)));
  return pictures;
}

/** An instance with the box of its mask, unless it has one. */
function boxed(instance: DrawnInstance, width: number): DrawnInstance {
  const box = instance.box ?? maskBox(instance.mask, width, instance.mask.length / width) ?? undefined;
  return { ...instance, box };
}
