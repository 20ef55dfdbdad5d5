/** A made-up data set of four pictures in VOC's layout, with one of SBD's annotations. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodePng } from '@cim/tools/images/png';
import sharp from 'sharp';

export const TINY = { width: 30, height: 20 } as const;
/** Training with VOC's masks, training with SBD's, training with boxes alone, validation. */
export const TINY_NAMES = ['2007_000032', '2008_000001', '2008_000002', '2007_000033'] as const;

interface Rectangle {
  readonly instance: number;
  readonly category: number;
  /** x1, y1, and exclusive x2, y2. */
  readonly box: readonly [number, number, number, number];
}
const OBJECTS: Record<string, readonly Rectangle[]> = {
  '2007_000032': [
    { instance: 1, category: 1, box: [2, 3, 12, 9] },
    { instance: 2, category: 15, box: [14, 5, 20, 19] },
  ],
  '2007_000033': [{ instance: 1, category: 20, box: [0, 0, 30, 10] }],
};

/**
 * `GTinst` of SBD, as scipy.io.savemat writes it: instance 1, a person, in rows 2–7 and columns 3–9, instance 2, a bicycle,
 * in rows 10–17 and columns 12–27; their boundaries are sparse matrices.
 */
const SBD_FILE =
  'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFN1biBOb3YgMjIgMTY6NDM6MzIgMjAyNgAAAAAAAAAAAAAA' +
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAQwEAAHic42NgYPjBw8DABqQ5gJiJAQJYoXxGJAxS4x6SmVdc' +
  'ApJnYeCFiqsDcXBqem5qXkliSWZ+HoNTfmleSmJRZmoxUMY5sSQ1PR/KYeAD4g4mhH2caPaJALEc1FwGqHsiYI4iGzCCweAQIxUwQcGoGHli+AEo' +
  'PW7gRKRHWGTB0iMTAyL9w9TvQEq/IHVaDLjTL0h8BdQcZiBmgYqB9LMPQnEQuwZLOIHkgcUEgxAQS0D9qAL1O7UxCIDKhQB4zvlgP0pThwal3wNs' +
  'qOm3gQF/+gUlFi4gxc0ASQOgch9kDj8QCwCxIMOo/HCXx1UuEAM4oOaAyg0FINYAYgMgtgBiByD2AOIAII4A4gQgzgDiAiCuYICkTRgGAXB7gQVm' +
  '8sDnp1F6lB6lB6Yec2BA1GNsEAmc7TZQuSHAAAN6DlCGAwCP4/RS';

/** VOC's colour of an index. */
export function vocColour(index: number): [number, number, number] {
  const colour: [number, number, number] = [0, 0, 0];
  for (let bit = 0; bit < 8; bit++) {
    for (let c = 0; c < 3; c++) colour[c] |= ((index >> (3 * bit + c)) & 1) << (7 - bit);
  }
  return colour;
}

/** A segmentation as VOC draws it, with an undecided pixel in the corner. */
export function segmentation(objects: readonly Rectangle[], key: 'instance' | 'category'): Buffer {
  const { width, height } = TINY;
  const rgb = new Uint8Array(width * height * 3);
  for (const object of objects) {
    const [x1, y1, x2, y2] = object.box;
    for (let y = y1; y < y2; y++) for (let x = x1; x < x2; x++) rgb.set(vocColour(object[key]), (y * width + x) * 3);
  }
  rgb.set(vocColour(255), (width * height - 1) * 3);
  return encodePng({ width, height, rgb });
}

const xmlObject = (name: string, [xmin, ymin, xmax, ymax]: readonly number[], difficult = 0): string => `
  <object>
    <name>${name}</name>
    <difficult>${difficult}</difficult>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
    <bndbox>
      <xmin>${xmin}</xmin><ymin>${ymin}</ymin>
      <xmax>${xmax}</xmax><ymax>${ymax}</ymax>
    </bndbox>
  </object>`;

/** An annotation as VOC writes it. */
export const tinyXml = (name: string, ...objects: readonly string[]): string =>
  `<annotation>
  <filename>${name}.jpg</filename>
  <size><width>${TINY.width}</width><height>${TINY.height}</height><depth>3</depth></size>${objects.join('')}
</annotation>
`;

/** Writes the data set into `root`, which in the original's layout is `data/VOC2012`. Returns what the files are. */
export async function writeTinyVoc(root: string): Promise<(path: string, content: string | Uint8Array) => string> {
  const put = (path: string, content: string | Uint8Array): string => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  };
  const [masked, sbd, boxes, val] = TINY_NAMES;
  put('ImageSets/Segmentation/train.txt', `${masked}\n`);
  put('ImageSets/Segmentation/val.txt', `${val}\n`);
  put('SBD/train.txt', `${sbd}\n${val}\n`);
  put('SBD/val.txt', `${boxes}\n`);
  put(`SBD/inst/${sbd}.mat`, Buffer.from(SBD_FILE, 'base64'));
  for (const [i, name] of TINY_NAMES.entries()) {
    const { width, height } = TINY;
    const create = { width, height, channels: 3, background: { r: 40 * i, g: 120, b: 200 } } as const;
    put(`JPEGImages/${name}.jpg`, await sharp({ create }).jpeg().toBuffer());
    put(`Annotations/${name}.xml`, tinyXml(name));
    if (!(name in OBJECTS)) continue;
    put(`SegmentationObject/${name}.png`, segmentation(OBJECTS[name], 'instance'));
    put(`SegmentationClass/${name}.png`, segmentation(OBJECTS[name], 'category'));
  }
  put(
    `Annotations/${boxes}.xml`,
    tinyXml(
      boxes,
      xmlObject('cow', [1, 1, 10, 20]),
      xmlObject('tvmonitor', [5, 6.5, 30, 20]),
      xmlObject('dog', [3, 3, 9, 9], 1),
    ),
  );
  return put;
}
