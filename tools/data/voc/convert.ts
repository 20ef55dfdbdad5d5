/** VOC's own annotations as the COCO files that the original reads. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Rle, XywhBox } from '@cim/model/evaluate/rle';
import { DataError } from '../../errors.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import { readVocAnnotation } from './annotation.ts';
import { VOC_CLASSES } from './classes.ts';
import { splitNames, type VocSplit, vocImageId } from './image-sets.ts';
import { type InstanceMap, instancesOf, readSbdInstances, readVocInstances } from './instances.ts';

/** The split's name in `ImageSets/Main/`, where the original's evaluation of boxes looks for it. */
const LIST_NAMES: Readonly<Record<VocSplit, string>> = { trainaug: 'trainaug', val: 'sbdval' };

interface ConvertedObject {
  readonly category: number;
  readonly area: number;
  readonly bbox: XywhBox;
  readonly segmentation?: Rle;
  readonly ignore?: 1;
}

interface ConvertedImage {
  readonly width: number;
  readonly height: number;
  readonly objects: readonly ConvertedObject[];
}

export interface Conversion {
  readonly images: number;
  readonly objects: number;
  /** Images whose objects have masks. */
  readonly masked: number;
}

export const vocJson = (root: string, split: VocSplit): string => join(root, 'annotations', `voc_2012_${split}.json`);

/**
 * Writes `annotations/voc_2012_<split>.json`, and the split's list. An image's objects come from
 * `SegmentationObject/`, else from `SBD/inst/`, both with masks, else from `Annotations/`, where difficult ones are marked
 * `ignore`: they are no image labels.
 *
 * @param root `data/VOC2012`.
 * @param onImage told of each image that is done, and how many there are.
 * @throws DataError that names the file, and the line or value at fault; ImageError; OutputError.
 */
export async function convertVoc(
  root: string,
  split: VocSplit,
  onImage: (total: number) => void = () => {},
): Promise<Conversion> {
  const names = await splitNames(root, split);
  const images: object[] = [];
  const annotations: object[] = [];
  let masked = 0;
  for (const name of names) {
    const { width, height, objects } = await readImage(root, name);
    const id = vocImageId(name);
    images.push({ id, file_name: `${name}.jpg`, width, height });
    for (const { category, ...object } of objects) {
      annotations.push({ id: annotations.length + 1, image_id: id, category_id: category, iscrowd: 0, ...object });
    }
    if (objects.some(({ segmentation }) => segmentation)) masked++;
    onImage(names.length);
  }
  const categories = VOC_CLASSES.map((name, i) => ({ id: i + 1, name, supercategory: 'object' }));
  await writeFileAtomic(vocJson(root, split), JSON.stringify({ images, annotations, categories }));
  const list = join(root, 'ImageSets', 'Main', `${LIST_NAMES[split]}.txt`);
  if (!existsSync(list)) await writeFileAtomic(list, `${names.join('\n')}\n`);
  return { images: images.length, objects: annotations.length, masked };
}

/** Size and objects of an image. Where there are masks the boxes are not read: their files say nothing more. */
async function readImage(root: string, name: string): Promise<ConvertedImage> {
  const file = (folder: string, ending: string): string => join(root, folder, `${name}.${ending}`);
  const [object, sbd, xml] = [file('SegmentationObject', 'png'), file('SBD/inst', 'mat'), file('Annotations', 'xml')];
  if (existsSync(object)) return withMasks(await readVocInstances(object, file('SegmentationClass', 'png')));
  if (existsSync(sbd)) return withMasks(await readSbdInstances(sbd));
  if (!existsSync(xml)) {
    throw new DataError(`${name} has no annotation: ${xml} is missing.`, 'Extract the VOC archive.');
  }
  const { width, height, objects } = await readVocAnnotation(xml);
  return {
    width,
    height,
    objects: objects.map(({ category, box, difficult }) => ({
      category,
      area: box[2] * box[3],
      bbox: box,
      ...(difficult && { ignore: 1 as const }),
    })),
  };
}

const withMasks = (map: InstanceMap): ConvertedImage => ({
  width: map.width,
  height: map.height,
  objects: instancesOf(map),
});
