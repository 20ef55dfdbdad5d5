/** Point labels: one point an instance, the supervision of CIM-p (`Center_points/`, from BESTIE). */
import { readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { WorkingSize } from '@cim/model/infer/image-proposals';
import { DataError, reasonOf } from '../errors.ts';
import type { DatasetClass, LabelledImage } from './dataset.ts';

/** A point of an instance, in pixels of the working image. */
export interface InstancePoint {
  readonly row: number;
  readonly column: number;
  readonly classIndex: number;
}

const FORMAT_REMEDY =
  'Each line is "x y class confidence": x the column and y the row in pixels, class an index from 0 in the order of the ' +
  'annotation file.';

/**
 * Reads `<root>/Center_points/<image name>.txt`, in file order. Coordinates are cut to whole pixels (x is the column, y the
 * row), the confidence is not used. An empty file is an image without points. (point_level_label_assign.py)
 *
 * @throws DataError when the file is missing, and with the line's number for a line of another form, a point outside the
 *   image, or a class that the image's labels lack.
 */
export async function readPoints(
  root: string,
  { fileName, labels }: Pick<LabelledImage, 'fileName' | 'labels'>,
  classes: readonly DatasetClass[],
  { width, height, original }: WorkingSize,
): Promise<InstancePoint[]> {
  const file = join(root, 'Center_points', `${parse(fileName).name}.txt`);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DataError(
      `Cannot read the points of ${fileName} from ${file}: ${reasonOf(cause)}.`,
      'Every training image needs a file of points: `cim data voc` says where they come from.',
      { cause },
    );
  });
  const lines = text.trimEnd() === '' ? [] : text.trimEnd().split(/\r?\n/);
  return lines.map((line, i) => {
    const fail = (problem: string, remedy = FORMAT_REMEDY): never => {
      throw new DataError(`${file}, line ${i + 1}: ${problem}.`, remedy);
    };
    const fields = line.trim().split(/ +/);
    const [x, y, classIndex, confidence] = fields.map(Number);
    const numbers = fields.length === 4 && [x, y, classIndex, confidence].every(Number.isFinite);
    if (!numbers || !Number.isInteger(classIndex)) fail(`"${line.slice(0, 80)}" is not a point`);
    const [column, row] = [Math.trunc(x), Math.trunc(y)];
    if (!(row >= 0 && row < original.height && column >= 0 && column < original.width)) {
      fail(`the point (${x}, ${y}) lies outside the image of ${original.width}×${original.height}`);
    }
    if (!(classIndex in classes)) fail(`the class ${classIndex} is not one of 0 to ${classes.length - 1}`);
    if (!labels.includes(classIndex)) {
      const named = labels.map((label) => classes[label].name).join(', ') || 'none';
      fail(
        `the class ${classIndex} ("${classes[classIndex].name}") is not a label of ${fileName} (${named})`,
        'Points and annotations must be of the same images: get both from the same release.',
      );
    }
    return {
      row: Math.floor((row * height) / original.height),
      column: Math.floor((column * width) / original.width),
      classIndex,
    };
  });
}
