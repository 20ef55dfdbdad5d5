/** Writes proposals as COB's files hold them, so that the original program reads them too. */
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { type PackedMasks, unpackMask } from '@cim/model/masks/index';
import { writeFileAtomic } from '../formats/atomic.ts';

/** `cells`: an N×1 cell of H×W masks, as for VOC. `array`: N×H×W, as for COCO. */
export type CobLayout = 'cells' | 'array';

// MATLAB v5 data types and array classes.
const INT8 = 1;
const UINT8 = 2;
const INT32 = 5;
const UINT32 = 6;
const MATRIX = 14;
const COMPRESSED = 15;
const CELL_CLASS = 1;
const UINT8_CLASS = 9;

const compress = promisify(deflate);

/**
 * Writes masks as the variable `maskmat` of a compressed MATLAB v5 file.
 *
 * @throws OutputError when it cannot be written.
 */
export async function writeCobMasks(path: string, masks: PackedMasks, layout: CobLayout): Promise<void> {
  const variable = layout === 'cells' ? cellMatrix(masks) : arrayMatrix(masks);
  const packed = await compress(variable, { level: 4 });
  const header = Buffer.alloc(136, ' ');
  header.write('MATLAB 5.0 MAT-file, mask proposals');
  header.fill(0, 116, 124);
  header.writeUInt16LE(0x0100, 124);
  header.write('IM', 126);
  header.writeUInt32LE(COMPRESSED, 128);
  header.writeUInt32LE(packed.length, 132);
  await writeFileAtomic(path, [header, packed]);
}

/** A tag, the content, and zeros up to a multiple of eight bytes. */
function element(type: number, ...content: readonly Uint8Array[]): Buffer {
  const size = content.reduce((sum, { length }) => sum + length, 0);
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(type, 0);
  tag.writeUInt32LE(size, 4);
  return Buffer.concat([tag, ...content, Buffer.alloc(-size & 7)]);
}

const numbers = (type: number, values: readonly number[]): Buffer =>
  element(type, new Uint8Array(Int32Array.from(values).buffer));

const matrix = (kind: number, shape: readonly number[], name: string, ...content: readonly Buffer[]): Buffer =>
  element(
    MATRIX,
    numbers(UINT32, [kind, 0]),
    numbers(INT32, shape),
    element(INT8, Buffer.from(name, 'latin1')),
    ...content,
  );

function cellMatrix(masks: PackedMasks): Buffer {
  const { count, width, height } = masks;
  const cells = Array.from({ length: count }, (_, n) => {
    const mask = unpackMask(masks, n);
    const columns = new Uint8Array(mask.length);
    for (let x = 0, i = 0; x < width; x++) for (let y = 0; y < height; y++) columns[i++] = mask[y * width + x];
    return matrix(UINT8_CLASS, [height, width], '', element(UINT8, columns));
  });
  return matrix(CELL_CLASS, [count, 1], 'maskmat', ...cells);
}

function arrayMatrix(masks: PackedMasks): Buffer {
  const { count, width, height } = masks;
  const content = new Uint8Array(count * width * height);
  for (let n = 0; n < count; n++) {
    const mask = unpackMask(masks, n);
    for (let y = 0, p = 0; y < height; y++) {
      for (let x = 0; x < width; x++, p++) content[(x * height + y) * count + n] = mask[p];
    }
  }
  return matrix(UINT8_CLASS, [count, height, width], 'maskmat', element(UINT8, content));
}
