/** COCO's result format: a list of detections. */
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { DataError } from '../errors.ts';
import { isRecord, parseJson } from '../formats/json.ts';
import { readText } from '../formats/json-file.ts';
import { isRle, maskProblem } from './masks.ts';

const FORMAT_REMEDY =
  'A result file is a list of {image_id, category_id, score} with a "segmentation" {size: [height, width], counts}, ' +
  'a "bbox" [x, y, width, height], or both.';
const IMAGE_REMEDY = 'Use the annotations of the images that the results were made from.';

function isResultList(value: unknown): value is CocoResult[] {
  return Array.isArray(value) && value.every(isResult);
}

function isResult(value: unknown): value is CocoResult {
  if (!isRecord(value)) return false;
  const { image_id: image, category_id: category, score, segmentation, bbox } = value;
  return (
    Number.isSafeInteger(image) &&
    Number.isSafeInteger(category) &&
    Number.isFinite(score) &&
    (segmentation === undefined ? bbox !== undefined : isRle(segmentation)) &&
    (bbox === undefined || (Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite)))
  );
}

/** The images that results may name. Sizes in pixels, where they are known. */
type KnownImages = readonly { readonly id: number; readonly width?: number; readonly height?: number }[];

/**
 * Reads a result file (`.json` or `.json.gz`). Masks are whole and in the size of their image.
 *
 * @throws DataError that quotes the file, and the entry and value at fault.
 */
export async function readResults(file: string, images: KnownImages): Promise<CocoResult[]> {
  return parseResults(await readText(file), file, images);
}

/** `readResults` of a text; `file` is named in errors. */
export async function parseResults(text: string, file: string, images: KnownImages): Promise<CocoResult[]> {
  const fail = (problem: string, remedy = FORMAT_REMEDY): never => {
    throw new DataError(`${file} is not a valid COCO result file: ${problem}.`, remedy);
  };
  const value = parseJson(text, file, FORMAT_REMEDY);
  if (!isResultList(value)) return fail((await import('./explain.ts')).explainResults(value));
  const results = value;
  const known = new Map(images.map((image) => [image.id, image]));
  for (const [i, { image_id: id, segmentation }] of results.entries()) {
    const image =
      known.get(id) ?? fail(`entry ${i} names image ${id}, which the annotations do not list`, IMAGE_REMEDY);
    if (!segmentation) continue;
    const problem = maskProblem(segmentation, image);
    if (problem) fail(`entry ${i}: ${problem}`, IMAGE_REMEDY);
  }
  return results;
}
