/** VOC's annotation files: `Annotations/<name>.xml`, the boxes of an image. */
import { readFile, stat } from 'node:fs/promises';
import type { XywhBox } from '@cim/model/evaluate/rle';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { DataError, reasonOf } from '../../errors.ts';
import { isRecord } from '../../formats/json.ts';
import { VOC_CLASSES } from './classes.ts';

export interface VocAnnotation {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly objects: readonly VocObject[];
}

export interface VocObject {
  /** 1 to 20. */
  readonly category: number;
  /** In the original's convention: from 0, and as many pixels wide and high as the box holds. */
  readonly box: XywhBox;
  readonly difficult: boolean;
}

/** The largest of VOC 2012 has 12 kB. */
const MAX_BYTES = 2 ** 20;
const REMEDY = 'Extract the VOC archive again, or correct the line.';

/** Entities stay as they are and document types are refused: no file can unfold to more than it is. */
const parser = new XMLParser({
  processEntities: false,
  parseTagValue: false,
  captureMetaData: true,
  isArray: (_name, path) => path === 'annotation.object',
});
const metaData = XMLParser.getMetaDataSymbol() as unknown as symbol; // the library's types say Symbol

/** @throws DataError that names the file, the line and the value at fault. */
export async function readVocAnnotation(file: string): Promise<VocAnnotation> {
  const fail = (problem: string, line?: number, cause?: unknown): never => {
    throw new DataError(`${file}${line === undefined ? '' : `, line ${line}`}: ${problem}.`, REMEDY, { cause });
  };
  const { size } = await stat(file).catch((error: unknown) => fail(reasonOf(error), undefined, error));
  if (size > MAX_BYTES) fail(`it has ${size} bytes; annotations have no more than ${MAX_BYTES}`);
  const text = await readFile(file, 'utf8');
  const docType = text.indexOf('<!DOCTYPE');
  const lineAt = (index: number): number => text.slice(0, index).split('\n').length;
  if (docType >= 0) fail('it declares a document type', lineAt(docType));
  const valid = XMLValidator.validate(text);
  if (valid !== true) fail(`it is not XML (${valid.err.msg})`, valid.err.line);
  let parsed: unknown;
  try {
    parsed = parser.parse(text);
  } catch (error) {
    fail(`it is not XML (${reasonOf(error)})`, undefined, error);
  }
  return read(parsed, (problem, node) => {
    const start = isRecord(node) ? (node as Record<symbol, { startIndex?: number }>)[metaData]?.startIndex : undefined;
    return fail(problem, start === undefined ? 1 : lineAt(start));
  });
}

function read(parsed: unknown, fail: (problem: string, node?: unknown) => never): VocAnnotation {
  const annotation = isRecord(parsed) ? parsed.annotation : undefined;
  if (!isRecord(annotation)) return fail('it holds no <annotation>');
  const child = (node: Record<string, unknown>, name: string): Record<string, unknown> => {
    const value = node[name];
    return isRecord(value) ? value : fail(`there is no <${name}>`, node);
  };
  const number = (node: Record<string, unknown>, name: string): number => {
    const value = Number(typeof node[name] === 'string' ? node[name] || Number.NaN : Number.NaN);
    return Number.isFinite(value) ? value : fail(`<${name}> is ${JSON.stringify(node[name])}, not a number`, node);
  };
  const size = child(annotation, 'size');
  const [width, height] = [number(size, 'width'), number(size, 'height')];
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    fail(`the image is ${width}×${height} pixels`, size);
  }
  const objects = (annotation.object ?? []) as unknown[];
  return {
    width,
    height,
    objects: objects.map((object) => {
      if (!isRecord(object)) return fail('an <object> is empty', annotation);
      const category = (VOC_CLASSES as readonly unknown[]).indexOf(object.name) + 1;
      if (category === 0) fail(`the class ${JSON.stringify(object.name)} is not one of VOC's`, object);
      const bounds = child(object, 'bndbox');
      const [xmin, ymin, xmax, ymax] = ['xmin', 'ymin', 'xmax', 'ymax'].map((name) => number(bounds, name));
      if (xmax < xmin || ymax < ymin) fail(`the box ${[xmin, ymin, xmax, ymax].join(', ')} is turned round`, bounds);
      return {
        category,
        box: [xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1],
        difficult: object.difficult === '1',
      };
    }),
  };
}
