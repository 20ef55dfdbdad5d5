/**
 * Scores of proposals in a format of our own that is read an image at a time: a safetensors file of
 *
 * - `scores` F32 [ΣN, C], without background; the proposals of an image one after the other, image after image
 * - `boxes` F32 [ΣN, 4]: x1, y1, x2, y2 in pixels of the image file, clipped to the image
 * - `counts` U32 [images]: N of each image
 *
 * with the metadata `format`, `version`, and the JSON lists `images` [{id, file}] and `categories` [{id, name}] by class.
 */
import type { CocoCategory } from '@cim/model/evaluate/coco-json';
import { DataError } from '../errors.ts';
import { isRecord } from '../formats/json.ts';
import { openSafetensors, type SafeTensor, writeSafetensors } from '../formats/safetensors.ts';
import type { ScoreSource } from './scores.ts';
import type { ScoreSpool } from './spool.ts';

const FORMAT = 'cim-detections';
const VERSION = '1';

/** Writes scores. @param categories by class index. @throws OutputError when it cannot be written. */
export async function writeDetectionTensors(
  path: string,
  spool: ScoreSpool,
  categories: readonly CocoCategory[],
): Promise<void> {
  const { classes, rows, images } = spool;
  const counts = Uint32Array.from(images, ({ count }) => count);
  const metadata = {
    format: FORMAT,
    version: VERSION,
    images: JSON.stringify(images.map(({ id, file }) => ({ id, file }))),
    categories: JSON.stringify(categories.map(({ id, name }) => ({ id, name }))),
  };
  const lazily = (width: number, read: (first: number, count: number) => Promise<Float32Array<ArrayBuffer>>) => ({
    dtype: 'F32' as const,
    shape: [rows, width],
    // Whole rows around the elements asked for.
    read: async (first = 0, count = rows * width - first) => {
      const start = Math.floor(first / width);
      const found = await read(start, Math.ceil((first + count) / width) - start);
      return found.slice(first - start * width, first - start * width + count);
    },
  });
  await writeSafetensors(path, metadata, [
    ['scores', lazily(classes, (first, count) => spool.scores(first, count))],
    ['boxes', lazily(4, (first, count) => spool.boxes(first, count))],
    ['counts', { dtype: 'U32', shape: [counts.length], data: counts } satisfies SafeTensor],
  ]);
}

/** Opens scores. @throws DataError that names the file; CheckpointError when it is no whole safetensors file. */
export async function openDetectionTensors(path: string): Promise<ScoreSource> {
  const fail = (problem: string): never => {
    throw new DataError(`${path} does not hold scores of proposals: ${problem}.`, 'Write it again with `cim infer`.');
  };
  const { metadata, tensors } = await openSafetensors(path);
  if (metadata.format !== FORMAT || metadata.version !== VERSION) {
    fail(`its format is ${metadata.format ?? 'not named'} ${metadata.version ?? ''}, not ${FORMAT} ${VERSION}`);
  }
  const [scores, boxes, counted] = ['scores', 'boxes', 'counts'].map(
    (name) => tensors.get(name) ?? fail(`the tensor "${name}" is missing`),
  );
  if (scores.dtype !== 'F32' || boxes.dtype !== 'F32' || counted.dtype !== 'U32') return fail('a dtype is another');
  const counts = await counted.read();
  const starts = [0];
  for (const count of counts) starts.push(starts[starts.length - 1] + count);
  const rows = starts[counts.length];
  const [classes] = scores.shape.slice(1);
  if (scores.shape.join() !== [rows, classes].join() || boxes.shape.join() !== [rows, 4].join()) {
    fail(`${rows} proposals have scores [${scores.shape}] and boxes [${boxes.shape}]`);
  }
  const images = parseImages(metadata.images, fail);
  if (images.length !== counts.length) fail(`${images.length} images have ${counts.length} counts`);
  return {
    name: path,
    classes,
    images: images.map((image, i) => ({ ...image, count: counts[i] })),
    read: async (i) => ({
      scores: await scores.read(starts[i] * classes, counts[i] * classes),
      boxes: await boxes.read(starts[i] * 4, counts[i] * 4),
    }),
  };
}

function parseImages(text: string | undefined, fail: (problem: string) => never): { file: string; id?: number }[] {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    const isImage = (entry: unknown): entry is { file: string; id?: number } =>
      isRecord(entry) && typeof entry.file === 'string' && (entry.id === undefined || Number.isSafeInteger(entry.id));
    if (Array.isArray(value) && value.every(isImage)) return value;
  } catch {
    // Reported below, like JSON of something else.
  }
  return fail('its list of images is damaged');
}
