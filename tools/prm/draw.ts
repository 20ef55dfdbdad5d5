/** `cim prm draw`: pictures of what a classifier sees and of what was retrieved. Needs no GPU. */
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import { decodeRle } from '@cim/model/evaluate/rle';
import type { RgbImage } from '@cim/model/image';
import { scaledMask } from '@cim/model/masks/index';
import { type Size, stretchImage } from '@cim/model/prm/index';
import { openSplits } from '../datasets/open.ts';
import { blend } from '../draw/blend.ts';
import { contactSheet } from '../draw/contact-sheet.ts';
import { drawHeat, heatOf } from '../draw/heat.ts';
import { drawInstances } from '../draw/overlay.ts';
import { classColour, type Rgb } from '../draw/palette.ts';
import { drawText } from '../draw/text.ts';
import { DataError, type ImageError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { ImageLoader } from '../images/loader.ts';
import { encodePng } from '../images/png.ts';
import { type CuedImage, type CueList, type ImageCues, readCueList, readImageCues } from './cues.ts';
import { imagesOfFolder } from './infer.ts';
import { classMap, instancesFile, type RetrievedResult, readInstances } from './retrieve.ts';

export interface DrawCuesOptions {
  /** Where the cues are. */
  readonly folder: string;
  readonly list: CueList;
  /** Retrieved instances, drawn if given. */
  readonly instances: readonly RetrievedResult[] | null;
  /** Absolute path of an image file by its id. */
  readonly files: ReadonlyMap<number, string>;
  /** Where the pictures go. */
  readonly out: string;
  /** How many images, spread over the list; all of them if absent. */
  readonly limit?: number;
  /** Told of every image that cannot be decoded and is left out. */
  readonly report?: (error: ImageError) => void;
}

/** Longer side of a panel, pixels. */
const PANEL = 288;
/** Panels in a row of a picture, and pictures on the contact sheet. */
const COLUMNS = 6;
const SHEET_LIMIT = 12;
const MAP_OPACITY = 0.6;
const RESPONSE_OPACITY = 0.9;
const MARK: Rgb = [255, 255, 255];

/**
 * Writes a PNG file for each image: the image with its peaks, for each class that has peaks its response over the image, for
 * each peak its response, and the instances; and `contact-sheet.png` of the first ones. Returns the number of pictures.
 *
 * @throws DataError when the list names an image that the data set lacks; ImageError when more than 1 % of the images are
 *   bad; OutputError when a file cannot be written.
 */
async function drawCues({ folder, list, instances, files, out, limit, report }: DrawCuesOptions): Promise<number> {
  const count = Math.min(limit ?? list.images.length, list.images.length);
  const chosen = Array.from({ length: count }, (_, i) => {
    const cued = list.images[Math.floor((i * list.images.length) / count)];
    const file = files.get(cued.image_id);
    if (file === undefined)
      throw new DataError(`The data set lacks ${cued.file_name} (${cued.image_id}).`, 'Give the images of the cues.');
    return { cued, file };
  });
  const loader = new ImageLoader({ cacheBytes: 0, report });
  const sheet: RgbImage[] = [];
  let drawn = 0;
  for await (const { item, image } of loader.inOrder(chosen)) {
    const { cued } = item;
    const found = instances?.filter(({ image_id }) => image_id === cued.image_id) ?? null;
    const picture = contactSheet(
      imagePanels(image, list, cued, await readImageCues(folder, list, cued), found),
      COLUMNS,
    );
    const { dir, name } = parse(cued.file_name);
    await writeFileAtomic(
      join(out, `${join(dir, name).replace(/[/\\]/g, '-')}-${cued.image_id}.png`),
      encodePng(picture),
    );
    drawn++;
    if (sheet.length < SHEET_LIMIT) sheet.push(picture);
  }
  if (sheet.length > 0) await writeFileAtomic(join(out, 'contact-sheet.png'), encodePng(contactSheet(sheet, 1)));
  return drawn;
}

/** {@link drawCues} of what `cim prm infer` and `retrieve` wrote for a split or a folder of images. */
export async function drawCueFolder({
  data,
  split,
  images,
  folder,
  ...options
}: Pick<DrawCuesOptions, 'folder' | 'out' | 'limit' | 'report'> & {
  readonly data: string;
  readonly split: 'train' | 'val';
  readonly images?: string;
}): Promise<number> {
  const list = await readCueList(folder);
  const entries = images === undefined ? (await openSplits(data))[split].images : await imagesOfFolder(images);
  const files = new Map(entries.map(({ id, file }) => [id, file]));
  const instances = existsSync(instancesFile(folder)) ? await readInstances(folder, list) : null;
  return drawCues({ ...options, folder, list, instances, files });
}

function imagePanels(
  image: RgbImage,
  list: CueList,
  cued: CuedImage,
  cues: ImageCues,
  instances: readonly RetrievedResult[] | null,
): RgbImage[] {
  const { classes, canvas, grid } = list;
  const shrink = PANEL / Math.max(image.width, image.height);
  const size = { width: Math.ceil(image.width * shrink), height: Math.ceil(image.height * shrink) };
  const photo = stretchImage(image, size);
  const copy = (): RgbImage => ({ ...photo, rgb: photo.rgb.slice() });
  const nameOf = (classIndex: number): string => classes[classIndex].name;
  const mark = (panel: RgbImage, peak: ImageCues['peaks'][number], colour: Rgb): void =>
    drawMark(
      panel,
      (peak.column + 0.5) * (size.width / grid.width),
      (peak.row + 0.5) * (size.height / grid.height),
      colour,
    );

  const overview = copy();
  for (const peak of cues.peaks) mark(overview, peak, classColour(peak.classIndex));
  const panels = [captioned(overview, cued.file_name, MARK)];

  for (const classIndex of new Set(cues.peaks.map((peak) => peak.classIndex))) {
    const panel = drawHeat(photo, heatOf(classMap(cues.maps, classIndex, grid), size), MAP_OPACITY);
    for (const peak of cues.peaks) if (peak.classIndex === classIndex) mark(panel, peak, MARK);
    panels.push(
      captioned(panel, `${nameOf(classIndex)} ${cues.scores[classIndex].toFixed(2)}`, classColour(classIndex)),
    );
  }
  cues.peaks.forEach(({ classIndex, score }, i) => {
    const heat = responseHeat(cues.responses[i], canvas, size);
    const panel = drawHeat(photo, heat, RESPONSE_OPACITY);
    panels.push(captioned(panel, `${nameOf(classIndex)} peak ${score.toFixed(2)}`, classColour(classIndex)));
  });
  if (instances) panels.push(...instancePanels(photo, list, cued, cues, instances));
  return panels;
}

/** The instances' masks, and the responses of each one's peaks together in its colour (prm_visualize of the PRM program). */
function instancePanels(
  photo: RgbImage,
  { classes, canvas }: CueList,
  cued: CuedImage,
  cues: ImageCues,
  instances: readonly RetrievedResult[],
): RgbImage[] {
  const classOf = (category: number): number => classes.findIndex(({ id }) => id === category);
  const masks = drawInstances(
    photo,
    instances.toReversed().map(({ category_id, segmentation, score }) => ({
      mask: scaledMask(decodeRle(segmentation), cued, photo),
      classIndex: classOf(category_id),
      className: classes[classOf(category_id)].name,
      score,
    })),
  );
  const responses: RgbImage = { width: photo.width, height: photo.height, rgb: new Uint8Array(photo.rgb.length) };
  instances.forEach(({ peaks }, i) => {
    const merged = new Float32Array(canvas.width * canvas.height);
    for (const peak of peaks) for (let p = 0; p < merged.length; p++) merged[p] += cues.responses[peak][p];
    const heat = responseHeat(merged, canvas, photo);
    for (let p = 0; p < heat.length; p++)
      blend(responses, p % photo.width, Math.floor(p / photo.width), classColour(i), heat[p]);
  });
  return [captioned(masks, `${instances.length} instances`, MARK), captioned(responses, 'their responses', MARK)];
}

/** Peak responses have few bright pixels: the root lets the others be seen. */
const responseHeat = (response: Float32Array, canvas: Size, size: Size): Float32Array =>
  heatOf({ ...canvas, values: response.map(Math.sqrt) }, size);

function captioned(panel: RgbImage, text: string, paper: Rgb): RgbImage {
  drawText(panel, text, { left: 0, top: 0, unit: 1, paper });
  return panel;
}

/** A disc with a dark rim. */
function drawMark(panel: RgbImage, x: number, y: number, colour: Rgb): void {
  const radius = 4;
  for (let v = Math.floor(y - radius); v <= y + radius; v++) {
    for (let u = Math.floor(x - radius); u <= x + radius; u++) {
      const distance = Math.hypot(u + 0.5 - x, v + 0.5 - y);
      if (distance <= radius) blend(panel, u, v, distance > radius - 1.2 ? [0, 0, 0] : colour, 1);
    }
  }
}
