/** Instance masks of VOC (`SegmentationObject/`) and of SBD (`inst/`). */
import { compressRuns, type Rle, runsArea, runsBox, runsOfMask, type XywhBox } from '@cim/model/evaluate/rle';
import { DataError } from '../../errors.ts';
import { readMat } from '../../formats/mat.ts';
import { NdArray, ObjectArray } from '../../formats/ndarray.ts';
import { decodeImage } from '../../images/decode.ts';
import { VOC_CLASSES } from './classes.ts';

/** Which instance every pixel belongs to, and what the instances are. */
export interface InstanceMap {
  readonly width: number;
  readonly height: number;
  /** [height, width]: 0 where there is none, else the number of an instance; 255 is undecided. */
  readonly pixels: Uint8Array;
  /** Category 1 to 20 by the number of the instance. */
  readonly categories: ReadonlyMap<number, number>;
}

export interface Instance {
  readonly category: number;
  readonly segmentation: Rle;
  /** Pixels. */
  readonly area: number;
  readonly bbox: XywhBox;
}

const UNDECIDED = 255;

/** The instances in the order of their numbers, with tight boxes. */
export function instancesOf({ width, height, pixels, categories }: InstanceMap): Instance[] {
  return [...categories]
    .sort(([a], [b]) => a - b)
    .map(([number, category]) => {
      const runs = runsOfMask(
        pixels.map((pixel) => (pixel === number ? 1 : 0)),
        height,
        width,
      );
      return { category, segmentation: compressRuns(runs), area: runsArea(runs), bbox: runsBox(runs) };
    });
}

/** VOC's palette: the bits of an index, three at a time from the lowest, are the highest bits of R, G and B. */
const palette = new Map(
  Array.from({ length: 256 }, (_, index) => {
    let colour = 0;
    for (let bit = 0; bit < 8; bit++) {
      for (let channel = 0; channel < 3; channel++) {
        if ((index >> (3 * bit + channel)) & 1) colour |= 1 << (8 * (2 - channel) + 7 - bit);
      }
    }
    return [colour, index] as const;
  }),
);

/** A PNG file of VOC's palette as indices. */
async function readIndices(file: string) {
  const { width, height, rgb } = await decodeImage(file);
  const pixels = new Uint8Array(width * height);
  for (let i = 0; i < pixels.length; i++) {
    const colour = (rgb[3 * i] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i + 2];
    const index = palette.get(colour);
    if (index === undefined) {
      throw new DataError(
        `${file} has the colour #${colour.toString(16).padStart(6, '0')}, which is not in VOC's palette.`,
        'Extract the VOC archive again.',
      );
    }
    pixels[i] = index;
  }
  return { width, height, pixels };
}

/**
 * The instances of an image from VOC's two segmentations: `SegmentationObject` tells them apart, `SegmentationClass` says
 * what they are (the class of most of their pixels).
 *
 * @throws DataError or ImageError that names the file at fault.
 */
export async function readVocInstances(objectFile: string, classFile: string): Promise<InstanceMap> {
  const objects = await readIndices(objectFile);
  const { width, height, pixels } = await readIndices(classFile);
  if (width !== objects.width || height !== objects.height) {
    throw new DataError(
      `${classFile} is ${width}×${height}, ${objectFile} ${objects.width}×${objects.height}.`,
      'Extract the VOC archive again.',
    );
  }
  const votes = new Map<number, Uint32Array>();
  objects.pixels.forEach((number, i) => {
    if (number === 0 || number === UNDECIDED) return;
    if (!votes.has(number)) votes.set(number, new Uint32Array(256));
    (votes.get(number) as Uint32Array)[pixels[i]]++;
  });
  const categories = new Map(
    [...votes].map(([number, counts]) => {
      const category = counts.indexOf(Math.max(...counts));
      if (category > 0 && category <= VOC_CLASSES.length) return [number, category];
      throw new DataError(
        `Instance ${number} of ${objectFile} has the class ${category} in ${classFile}.`,
        'Extract the VOC archive again.',
      );
    }),
  );
  return { ...objects, categories };
}

/**
 * The instances of an image of SBD (Hariharan et al., ICCV 2011): the struct `GTinst` of `Segmentation` [H, W] and
 * `Categories`, the class of each instance.
 *
 * @throws DataError that names the file at fault.
 */
export async function readSbdInstances(file: string): Promise<InstanceMap> {
  const fail = (problem: string): never => {
    throw new DataError(`${file} is not an annotation of SBD: ${problem}.`, 'Extract the SBD archive again.');
  };
  const struct = (await readMat(file, { names: ['GTinst'] })).get('GTinst');
  if (
    struct === undefined ||
    typeof struct === 'string' ||
    struct instanceof NdArray ||
    struct instanceof ObjectArray
  ) {
    return fail('it has no struct "GTinst"');
  }
  const field = (name: string): NdArray => {
    const value = Object.hasOwn(struct, name) ? struct[name].items[0] : undefined;
    return value instanceof NdArray ? value : fail(`"GTinst" has no "${name}"`);
  };
  const segmentation = field('Segmentation');
  if (segmentation.shape.length !== 2) fail(`"Segmentation" is of shape ${segmentation.shape.join('×')}`);
  const [height, width] = segmentation.shape;
  const pixels = Uint8Array.from(segmentation.toNumbers());
  const listed = field('Categories').toNumbers();
  const categories = new Map(
    [...new Set(pixels)].flatMap((number): [number, number][] => {
      if (number === 0 || number === UNDECIDED) return [];
      const category = listed[number - 1];
      const known = Number.isInteger(category) && category >= 1 && category <= VOC_CLASSES.length;
      return known ? [[number, category]] : fail(`instance ${number} has the category ${category}`);
    }),
  );
  return { width, height, pixels, categories };
}
