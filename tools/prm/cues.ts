/**
 * What a classifier sees in images, on the disk: a folder with `cues.json` for all images and, for each, a safetensors
 * file named as the image that holds what the original's model returns:
 *
 * - `aggregation` F32 [C]: class scores
 * - `class_response_maps` F32 [C, h, w]
 * - `peak_list` I32 [K, 4]: 0, class index, row, column in cells of the maps
 * - `peak_score` F32 [K]: the responses there
 * - `peak_response_maps` F32 [K, H, W]: of the canvas, not negative, with a sum of 1
 *
 * `cues.json` is written last.
 */
import { join } from 'node:path';
import type { Peak } from '@cim/model/peaks/index';
import type { Size } from '@cim/model/prm/index';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { describeIssue, parseJson } from '../formats/json.ts';
import { readText } from '../formats/json-file.ts';
import { readSafetensors, type SafeTensor, type Safetensors, writeSafetensors } from '../formats/safetensors.ts';

export const CUES_FORMAT = 'cim-cues-1';
const REMEDY = 'Run `cim prm infer` again.';

/** Pixels along both axes. */
const size = z.object({ width: z.number().positive(), height: z.number().positive() });
const schema = z.object({
  format: z.literal(CUES_FORMAT),
  /** Size that the classifier saw every image stretched to. */
  canvas: size,
  /** Cells of the maps that the canvas covers. */
  grid: size,
  /** Whether peaks were looked for in the classes that the data set names, or in those the classifier found. */
  labels: z.enum(['given', 'predicted']),
  peakThreshold: z.number(),
  classes: z.array(z.object({ id: z.int(), name: z.string() })),
  images: z.array(
    z.object({
      image_id: z.int(),
      file_name: z.string(),
      /** Pixels of the file. */
      width: z.int().positive(),
      height: z.int().positive(),
      /** The image's safetensors file, in the folder. */
      cues: z.string(),
      /** Of every class, in order; 0 or more: found. */
      scores: z.array(z.number()),
      /** `row`, `column`: cells of the maps; `x`, `y`: the pixel of the file. In the order of the peak responses. */
      peaks: z.array(
        z.object({
          category_id: z.int(),
          row: z.int(),
          column: z.int(),
          score: z.number(),
          x: z.int(),
          y: z.int(),
        }),
      ),
    }),
  ),
});
export type CueList = z.infer<typeof schema>;
export type CuedImage = CueList['images'][number];

/** The cues of one image in memory. C classes, K peaks. */
export interface ImageCues {
  /** [C]. */
  readonly scores: Float32Array;
  /** [C, height, width]. */
  readonly maps: Size & { readonly values: Float32Array };
  /** In cells of the maps. */
  readonly peaks: readonly Peak[];
  /** A map of the canvas for every peak. */
  readonly responses: readonly Float32Array[];
}

export const cueListFile = (folder: string): string => join(folder, 'cues.json');

/** @throws DataError when it is missing or something else. */
export async function readCueList(folder: string): Promise<CueList> {
  const file = cueListFile(folder);
  const value = parseJson(await readText(file), file, REMEDY);
  const { data, error } = schema.safeParse(value);
  if (error) throw new DataError(`${file} lists no cues: ${describeIssue(error, value, '')}.`, REMEDY);
  return data;
}

/** @throws OutputError when it cannot be written. */
export async function writeImageCues(path: string, { scores, maps, peaks, responses }: ImageCues, canvas: Size) {
  const { values, width, height } = maps;
  const f32 = (shape: readonly number[], data: Float32Array): SafeTensor => ({
    dtype: 'F32',
    shape,
    data: data as Float32Array<ArrayBuffer>,
  });
  const pixels = canvas.width * canvas.height;
  const stacked = new Float32Array(peaks.length * pixels);
  responses.forEach((response, i) => stacked.set(response, i * pixels));
  const list = peaks.flatMap(({ classIndex, row, column }) => [0, classIndex, row, column]);
  await writeSafetensors(path, { format: CUES_FORMAT }, [
    ['aggregation', f32([scores.length], scores)],
    ['class_response_maps', f32([scores.length, height, width], values)],
    ['peak_list', { dtype: 'I32', shape: [peaks.length, 4], data: Int32Array.from(list) }],
    [
      'peak_score',
      f32(
        [peaks.length],
        Float32Array.from(peaks, ({ score }) => score),
      ),
    ],
    ['peak_response_maps', f32([peaks.length, canvas.height, canvas.width], stacked)],
  ]);
}

/** @throws DataError when the file is damaged or does not fit the list. */
export async function readImageCues(
  folder: string,
  { classes, canvas }: CueList,
  { cues }: CuedImage,
): Promise<ImageCues> {
  const path = join(folder, cues);
  const file = await readSafetensors(path);
  const get = (name: string, dtype: 'F32' | 'I32', shape: readonly (number | null)[]): SafeTensor =>
    tensorOf(path, file, name, dtype, shape);
  const maps = get('class_response_maps', 'F32', [classes.length, null, null]);
  const list = get('peak_list', 'I32', [null, 4]);
  const [count] = list.shape;
  const scores = get('peak_score', 'F32', [count]).data as Float32Array;
  const stacked = get('peak_response_maps', 'F32', [count, canvas.height, canvas.width]).data as Float32Array;
  const pixels = canvas.width * canvas.height;
  const [, height, width] = maps.shape;
  const peaks = Array.from({ length: count }, (_, i) => {
    const [, classIndex, row, column] = (list.data as Int32Array).subarray(4 * i, 4 * i + 4);
    return { classIndex, row, column, score: scores[i] };
  });
  const inside = (value: number, end: number): boolean => value >= 0 && value < end;
  for (const { classIndex, row, column } of peaks) {
    if (inside(classIndex, classes.length) && inside(row, height) && inside(column, width)) continue;
    throw new DataError(`${path} has a peak of class ${classIndex} at ${row}, ${column}: outside its maps.`, REMEDY);
  }
  return {
    scores: get('aggregation', 'F32', [classes.length]).data as Float32Array,
    maps: { values: maps.data as Float32Array, height, width },
    peaks,
    responses: peaks.map((_, i) => stacked.subarray(i * pixels, (i + 1) * pixels)),
  };
}

/** A tensor of the shape expected; null stands for any extent. */
function tensorOf(
  path: string,
  { tensors }: Safetensors,
  name: string,
  dtype: 'F32' | 'I32',
  shape: readonly (number | null)[],
): SafeTensor {
  const tensor = tensors.get(name);
  const fits =
    tensor?.dtype === dtype &&
    tensor.shape.length === shape.length &&
    shape.every((extent, i) => extent === null || extent === tensor.shape[i]);
  if (fits) return tensor;
  const found = tensor ? `${tensor.dtype} [${tensor.shape}]` : 'missing';
  const expected = shape.map((extent) => extent ?? 'any').join(', ');
  throw new DataError(`${path} holds no cues: "${name}" is ${found}, not ${dtype} [${expected}].`, REMEDY);
}
