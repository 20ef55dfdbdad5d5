/** The COCO detection format: one JSON file of images, categories and annotations. */
import { DataError } from '../errors.ts';
import { isRecord, parseJson } from '../formats/json.ts';
import { readText } from '../formats/json-file.ts';
import type { DatasetClass, ObjectAnnotation } from './dataset.ts';
import type { ImageList, ListedImage } from './locate.ts';

const FORMAT_REMEDY =
  'A COCO file is an object with the lists "images" {id, file_name}, "categories" {id, name} and ' +
  '"annotations" {image_id, category_id}.';

/**
 * Reads a COCO file. Classes stand in file order. An image's labels are the union of its annotations' categories (see
 * `countsAsLabel`); annotations may carry `image_id` and `category_id` alone.
 *
 * @throws DataError that quotes the file, and the entry and id at fault.
 */
export async function readCoco(file: string): Promise<ImageList> {
  return parseCoco(await readText(file), file);
}

/** `readCoco` of a text; `file` is named in errors. */
export function parseCoco(text: string, file: string): ImageList {
  const fail = (problem: string, remedy = FORMAT_REMEDY): never => {
    throw new DataError(`${file} is not a valid COCO file: ${problem}.`, remedy);
  };
  const root = parseJson(text, file, FORMAT_REMEDY);
  if (!isRecord(root)) return fail('it holds no object');
  const list = (key: string): Record<string, unknown>[] => {
    const value = root[key];
    if (!Array.isArray(value)) return fail(value === undefined ? `it has no "${key}"` : `"${key}" is not a list`);
    const bad = value.findIndex((entry) => !isRecord(entry));
    if (bad >= 0) fail(`${key}[${bad}] is ${JSON.stringify(value[bad])}, not an object`);
    return value;
  };

  const classes: DatasetClass[] = [];
  const classIndex = new Map<number, number>();
  for (const [i, category] of list('categories').entries()) {
    const { id, name } = category;
    if (!isId(id)) return fail(`categories[${i}].id is ${JSON.stringify(id)}, not an integer`);
    if (typeof name !== 'string' || name === '') return fail(`category ${id} has no name`);
    if (classIndex.has(id)) fail(`the category id ${id} ("${name}") stands twice`);
    classIndex.set(id, classes.length);
    classes.push({ ...category, id, name }); // what else the file tells, such as a supercategory, is passed on
  }

  const images = new Map<number, ListedImage & { annotations: ObjectAnnotation[] }>();
  for (const [i, { id, file_name: fileName, width, height }] of list('images').entries()) {
    if (!isId(id)) return fail(`images[${i}].id is ${JSON.stringify(id)}, not an integer`);
    if (typeof fileName !== 'string' || fileName === '') return fail(`image ${id} has no file_name`);
    if (images.has(id)) fail(`the image id ${id} ("${fileName}") stands twice`);
    for (const [key, value] of Object.entries({ width, height })) {
      if (value !== undefined && !(isId(value) && value > 0))
        fail(`image ${id} has the ${key} ${JSON.stringify(value)}`);
    }
    const size = { width: width as number | undefined, height: height as number | undefined };
    images.set(id, { id, fileName, ...size, labels: [], annotations: [] });
  }

  for (const [i, entry] of (root.annotations === undefined ? [] : list('annotations')).entries()) {
    const name = `annotations[${i}]${isId(entry.id) ? ` (id ${entry.id})` : ''}`;
    const { image_id: imageId, category_id: categoryId, bbox, area } = entry;
    const image = images.get(imageId as number);
    if (!image) return fail(`${name} names image ${JSON.stringify(imageId)}, which "images" does not list`);
    if (!classIndex.has(categoryId as number)) {
      fail(`${name} names category ${JSON.stringify(categoryId)}, which "categories" does not list`);
    }
    if (bbox !== undefined && !(Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite))) {
      fail(`${name} has the bbox ${JSON.stringify(bbox)}, not four numbers`);
    }
    if (area !== undefined && !Number.isFinite(area)) fail(`${name} has the area ${JSON.stringify(area)}`);
    image.annotations.push(entry as unknown as ObjectAnnotation);
  }
  for (const image of images.values()) {
    const counted = image.annotations.filter((annotation) => countsAsLabel(annotation, image));
    const labels = new Set(counted.map((annotation) => classIndex.get(annotation.category_id) as number));
    image.labels = [...labels].sort((a, b) => a - b);
  }
  return { classes, images: [...images.values()] };
}

/**
 * The original's rule (json_dataset.py, `_add_gt_annotations`): not marked `ignore`, an area above zero, and a box that
 * is more than one pixel wide and high inside the image. Crowds count. What an annotation does not carry is not asked.
 */
function countsAsLabel({ ignore, area, bbox }: ObjectAnnotation, { width, height }: ListedImage): boolean {
  if (ignore === 1 || (area !== undefined && area <= 0)) return false;
  if (bbox === undefined) return true;
  const [x, y, w, h] = bbox;
  const spans = (start: number, length: number, limit = Infinity): boolean => {
    const clip = (value: number): number => Math.min(Math.max(value, 0), limit - 1);
    return clip(start + Math.max(0, length - 1)) > clip(start);
  };
  return spans(x, w, width) && spans(y, h, height);
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value);
