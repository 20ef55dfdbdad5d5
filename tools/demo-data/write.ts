/** The demo data set on the disk, in COCO's form. */

import { join } from 'node:path';
import { encodeRle, runsBox, runsOfMask } from '@cim/model/evaluate/rle';
import sharp from 'sharp';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { objectClasses } from './objects.ts';
import { demoScene, FIRST_ID } from './picture.ts';
import type { Scene } from './scene.ts';

export interface DemoDataOptions {
  readonly seed?: number;
  /** Number of pictures. */
  readonly train?: number;
  readonly val?: number;
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Of a picture, pixels, unless told otherwise. */
export const DEMO_SIZE = { width: 192, height: 144 } as const;

const categories = objectClasses.map(({ name }, i) => ({ id: i + 1, name, supercategory: 'demo' }));

/**
 * Draws the data set into `folder`: `JPEGImages/*.jpg`, `annotations/{train,val}.json` with exact masks, `README.txt`.
 * The same options give the same pixels and annotations.
 *
 * @throws ConfigError for impossible sizes or counts; OutputError when the folder cannot be written to.
 */
export async function writeDemoDataset(folder: string, options: DemoDataOptions = {}): Promise<void> {
  const { seed = 1, train = 240, val = 80, onProgress } = options;
  const { width, height } = { ...DEMO_SIZE, ...options };
  for (const [name, value, least] of [
    ['seed', seed, 0],
    ['train', train, 1],
    ['val', val, 1],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value >= FIRST_ID.val) {
      throw new ConfigError(`${name} is ${value}.`, `Give an integer from ${least} to ${FIRST_ID.val - 1}.`);
    }
  }
  for (const [name, value] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(value) || value < 64 || value > 2048) {
      throw new ConfigError(`The demo pictures' ${name} is ${value}.`, 'Give a number of pixels from 64 to 2048.');
    }
  }
  let done = 0;
  for (const [split, count] of [
    ['train', train],
    ['val', val],
  ] as const) {
    const images: object[] = [];
    const annotations: object[] = [];
    let writing: Promise<void> = Promise.resolve();
    for (let index = 0; index < count; index++) {
      const { image, instances } = demoScene(seed, split, index, width, height);
      const fileName = `${split}_${String(index + 1).padStart(4, '0')}.jpg`;
      const id = FIRST_ID[split] + index;
      images.push({ id, file_name: fileName, width, height });
      for (const { classIndex, mask, area } of instances) {
        annotations.push({
          id: annotations.length + 1,
          image_id: id,
          category_id: categories[classIndex].id,
          iscrowd: 0,
          area,
          bbox: runsBox(runsOfMask(mask, height, width)),
          segmentation: encodeRle(mask, height, width),
        });
      }
      await writing; // the encoder works on one picture while the next is drawn
      writing = writeJpeg(join(folder, 'JPEGImages', fileName), image);
      writing.catch(() => {}); // awaited in the next round
      onProgress?.(++done, train + val);
    }
    await writing;
    const file = { info: { description: `CIM demo data, seed ${seed}` }, images, annotations, categories };
    await writeFileAtomic(join(folder, 'annotations', `${split}.json`), JSON.stringify(file));
  }
  await writeFileAtomic(join(folder, 'README.txt'), readme(seed, train, val, width, height));
}

async function writeJpeg(path: string, { width, height, rgb }: Scene['image']): Promise<void> {
  const jpeg = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92 })
    .toBuffer();
  await writeFileAtomic(path, jpeg);
}

const readme = (seed: number, train: number, val: number, width: number, height: number): string => `\
CIM demo data
=============
${train + val} drawn pictures of ${width} x ${height} pixels, made by the generator of cim-webgpu from seed ${seed}:
${train} for training, ${val} for validation.

  JPEGImages/               the pictures
  annotations/train.json    COCO format: classes, images, objects with exact masks of their visible pixels
  annotations/val.json      the same for validation

Classes: ${objectClasses.map(({ name }) => name).join(', ')}.
Each picture shows one to four objects, mostly of one class, on cluttered backgrounds. An object is a large plain body
with a small vivid part, which is plain too in a quarter of the objects.

Training reads only which classes an image shows; masks and boxes serve evaluation alone.
Everything is drawn by the generator; no photograph is used.
`;
