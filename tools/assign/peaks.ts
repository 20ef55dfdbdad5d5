/**
 * What the labels of a training set were made around, on the disk, for people to look at: a safetensors file. For every
 * image, named by its id, F32 [P, 4] with a row per peak: class index, x and y as shares of the image's width and height,
 * and the response, NaN for a labelled point. Beside it `ID.maps` U8 [L, height, width], the class response maps of the
 * image's labels, 255 at the strongest response of each map, 0 where there is none; only of the first images where those
 * of all would be too large.
 */
import type { Peak } from '@cim/model/peaks/index';
import { DataError } from '../errors.ts';
import { openSafetensors, type SafeTensor, writeSafetensors } from '../formats/safetensors.ts';

const FORMAT = 'cim-peaks';
/** Bytes of maps that are kept. */
const MAPS_LIMIT = 2 ** 26;

/** A peak or point; `x` and `y` from 0 to 1. */
export interface PlacedPeak extends Pick<Peak, 'classIndex'> {
  readonly x: number;
  readonly y: number;
  /** Absent for a labelled point. */
  readonly score?: number;
}

/** Where classes of an image respond. */
export interface QuantisedMaps {
  /** Class indices, L of them. */
  readonly classes: readonly number[];
  /** [L, height, width] */
  readonly values: Uint8Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

export interface ImagePeaks {
  readonly peaks: readonly PlacedPeak[];
  readonly maps?: QuantisedMaps;
}

/** Maps of some classes in 8 bits. @param values [C, height, width] */
export function quantiseMaps(
  { values, height, width }: { readonly values: Float32Array; readonly height: number; readonly width: number },
  classes: readonly number[],
): QuantisedMaps {
  const size = height * width;
  const quantised = new Uint8Array(classes.length * size);
  classes.forEach((classIndex, at) => {
    const map = values.subarray(classIndex * size, (classIndex + 1) * size);
    const most = map.reduce((a, b) => Math.max(a, b), 0);
    if (most > 0)
      quantised.set(
        Uint8Array.from(map, (value) => Math.max(0, Math.round((255 * value) / most))),
        at * size,
      );
  });
  return { classes, values: quantised, height, width };
}

/** @throws OutputError when it cannot be written. */
export async function writePeaks(path: string, images: ReadonlyMap<number, ImagePeaks>): Promise<void> {
  const tensors: [string, SafeTensor][] = [];
  const mapClasses: Record<string, readonly number[]> = {};
  let bytes = 0;
  for (const [id, { peaks, maps }] of images) {
    const rows = peaks.flatMap(({ classIndex, x, y, score }) => [classIndex, x, y, score ?? Number.NaN]);
    tensors.push([String(id), { dtype: 'F32', shape: [peaks.length, 4], data: Float32Array.from(rows) }]);
    bytes += maps?.values.length ?? 0;
    if (!maps || bytes > MAPS_LIMIT) continue;
    const { classes, values, height, width } = maps;
    tensors.push([`${id}.maps`, { dtype: 'U8', shape: [classes.length, height, width], data: values }]);
    mapClasses[id] = classes;
  }
  await writeSafetensors(path, { format: FORMAT, mapClasses: JSON.stringify(mapClasses) }, tensors);
}

/** Reads the peaks of single images: null for one that has none. @throws DataError when the file is no such one. */
export async function openPeaks(path: string): Promise<(id: number) => Promise<ImagePeaks | null>> {
  const { metadata, tensors } = await openSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new DataError(`${path} holds no peaks: its format is ${JSON.stringify(metadata.format)}.`, 'Delete it.');
  }
  const mapClasses = JSON.parse(metadata.mapClasses ?? '{}') as Record<string, number[]>;
  return async (id) => {
    const rows = await tensors.get(String(id))?.read();
    if (!(rows instanceof Float32Array)) return null;
    const peaks = Array.from({ length: rows.length / 4 }, (_, i) => {
      const [classIndex, x, y, score] = rows.subarray(4 * i, 4 * i + 4);
      return { classIndex, x, y, ...(Number.isNaN(score) ? {} : { score }) };
    });
    const maps = tensors.get(`${id}.maps`);
    const values = await maps?.read();
    if (!maps || !(values instanceof Uint8Array)) return { peaks };
    const [, height, width] = maps.shape;
    return { peaks, maps: { classes: mapClasses[id] ?? [], values: values as Uint8Array<ArrayBuffer>, height, width } };
  };
}
