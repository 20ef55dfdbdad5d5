import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageError } from '@cim/tools/errors';
import { decodeImage } from '@cim/tools/images/decode';
import { ImageLoader } from '@cim/tools/images/loader';
import { encodePng } from '@cim/tools/images/png';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { crc32 } from './archives.ts';

const test = suite('images');
const folder = mkdtempSync(join(tmpdir(), 'cim-images-'));
test.after(() => rmSync(folder, { recursive: true }));

const WIDTH = 37;
const HEIGHT = 21;
/** Four quadrants: red, green / blue, grey. */
const quadrants = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
  const [x, y, channel] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH), i % 3];
  const quadrant = (y < HEIGHT / 2 ? 0 : 2) + (x < WIDTH / 2 ? 0 : 1);
  return quadrant === 3 ? 128 : channel === quadrant ? 200 : 10;
});
const source = () => sharp(quadrants, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

function put(name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

/** Largest difference to the quadrants, away from their borders. */
function difference(rgb: Uint8Array): number {
  let largest = 0;
  for (const [x, y] of [
    [5, 4],
    [30, 4],
    [5, 16],
    [30, 16],
  ]) {
    for (let c = 0; c < 3; c++) {
      const i = (y * WIDTH + x) * 3 + c;
      largest = Math.max(largest, Math.abs(rgb[i] - quadrants[i]));
    }
  }
  return largest;
}

test('lossless formats give the exact pixels', async () => {
  for (const [name, encoded] of [
    ['a.png', await source().png().toBuffer()],
    ['a.webp', await source().webp({ lossless: true }).toBuffer()],
    ['ours.png', encodePng({ width: WIDTH, height: HEIGHT, rgb: quadrants })],
  ] as const) {
    const image = await decodeImage(put(name, encoded));
    assert.equal([image.width, image.height], [WIDTH, HEIGHT]);
    assert.equal(image.rgb, quadrants);
  }
});

test('JPEG, CMYK, grey, 16 bits and transparency become 8-bit RGB', async () => {
  const jpeg = await decodeImage(put('a.jpg', await source().jpeg({ quality: 95 }).toBuffer()));
  assert.ok(difference(jpeg.rgb) < 6);
  const cmyk = await decodeImage(put('cmyk.jpg', await source().toColourspace('cmyk').jpeg().toBuffer()));
  assert.is(cmyk.rgb.length, WIDTH * HEIGHT * 3);

  const grey = { raw: { width: 4, height: 1, channels: 1 } } as const;
  const g8 = await decodeImage(
    put(
      'g8.png',
      await sharp(Uint8Array.of(0, 50, 128, 255), grey)
        .toColourspace('b-w')
        .png()
        .toBuffer(),
    ),
  );
  assert.equal(
    [...g8.rgb],
    [0, 50, 128, 255].flatMap((v) => [v, v, v]),
  );
  const wide = Uint16Array.of(0, 50 * 257, 128 * 257, 65535);
  const g16 = await decodeImage(put('g16.png', await sharp(wide, grey).toColourspace('grey16').png().toBuffer()));
  assert.equal(
    [...g16.rgb],
    [0, 50, 128, 255].flatMap((v) => [v, v, v]),
  );

  const clear = { raw: { width: 2, height: 1, channels: 4 } } as const;
  const alpha = await decodeImage(
    put(
      'alpha.png',
      await sharp(Uint8Array.of(9, 8, 7, 255, 9, 8, 7, 0), clear)
        .png()
        .toBuffer(),
    ),
  );
  assert.equal([...alpha.rgb], [9, 8, 7, 255, 255, 255]);
});

test('every EXIF orientation is turned as OpenCV turns it', async () => {
  const [w, h] = [3, 2];
  const pixels = Uint8Array.from({ length: w * h * 3 }, (_, i) => 10 * i);
  /** The source pixel of a pixel of the turned image. */
  const sources: ((x: number, y: number) => [number, number])[] = [
    (x, y) => [x, y],
    (x, y) => [w - 1 - x, y],
    (x, y) => [w - 1 - x, h - 1 - y],
    (x, y) => [x, h - 1 - y],
    (x, y) => [y, x],
    (x, y) => [y, h - 1 - x],
    (x, y) => [w - 1 - y, h - 1 - x],
    (x, y) => [w - 1 - y, x],
  ];
  for (const [i, sourceOf] of sources.entries()) {
    const raw = { raw: { width: w, height: h, channels: 3 } } as const;
    const bytes = await sharp(pixels, raw)
      .webp({ lossless: true })
      .withMetadata({ orientation: i + 1 })
      .toBuffer();
    const turned = await decodeImage(put(`orientation${i}.webp`, bytes));
    const [width, height] = i < 4 ? [w, h] : [h, w];
    assert.equal([turned.width, turned.height, turned.original], [width, height, { width, height }]);
    const expected = Array.from({ length: w * h }, (_, p) => {
      const [x, y] = sourceOf(p % width, Math.floor(p / width));
      return [...pixels.subarray((y * w + x) * 3, (y * w + x) * 3 + 3)];
    });
    assert.equal([...turned.rgb], expected.flat(), `orientation ${i + 1}`);
  }
});

test('EXIF orientation of a JPEG is applied', async () => {
  const turned = await decodeImage(
    put('turned.jpg', await source().jpeg().withMetadata({ orientation: 6 }).toBuffer()),
  );
  assert.equal([turned.width, turned.height], [HEIGHT, WIDTH]);
  const at = (x: number, y: number) => [...turned.rgb.subarray((y * HEIGHT + x) * 3, (y * HEIGHT + x) * 3 + 3)];
  assert.ok(at(16, 5)[0] > 150, 'red was top left, a quarter turn clockwise puts it top right');
  assert.ok(at(4, 5)[2] > 150, 'blue was bottom left');
});

test('damaged files are named', async () => {
  const jpeg = await source().jpeg().toBuffer();
  const png = await source().png().toBuffer();
  const huge = Buffer.from(jpeg);
  const frame = huge.indexOf(Buffer.of(0xff, 0xc0));
  huge.writeUInt16BE(30000, frame + 5);
  huge.writeUInt16BE(30000, frame + 7);
  const gif = await source().gif().toBuffer();
  // 30 000 rows of nothing, in a file of a few kilobytes.
  const bomb = Buffer.from(png);
  bomb.writeUInt32BE(30000, 16);
  bomb.writeUInt32BE(30000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  const cases: [string, Uint8Array, string][] = [
    ['cut.jpg', jpeg.subarray(0, jpeg.length * 0.7), ''],
    ['end.jpg', jpeg.subarray(0, jpeg.length - 3), ''],
    ['cut.png', png.subarray(0, png.length * 0.7), ''],
    ['text.jpg', new TextEncoder().encode('not an image'), ''],
    ['empty.jpg', new Uint8Array(0), 'empty'],
    ['gif.jpg', gif, 'begins with "GIF89a'],
    ['svg.jpg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'begins with "<svg'],
    ['bomb.png', bomb, 'more than 100000000 pixels'],
    ['huge.jpg', huge, 'more than 100000000 pixels'],
  ];
  for (const [name, bytes, message] of cases) {
    const file = put(name, bytes);
    const error = await rejection(decodeImage(file));
    assert.instance(error, ImageError, name);
    assert.match(error.message, file);
    assert.match(error.message, message);
    assert.ok(error.remedy);
  }
  const missing = await rejection(decodeImage(join(folder, 'none.jpg')));
  assert.instance(missing, ImageError);
  assert.match(missing.message, 'no such file');
});

test('images are resized on request, and remember the size they had', async () => {
  const file = join(folder, 'turned.jpg');
  const inside = await decodeImage(file, { width: 14, height: 14, fit: 'inside' });
  assert.equal([inside.width, inside.height], [8, 14]);
  assert.equal(inside.original, { width: HEIGHT, height: WIDTH });
  const larger = await decodeImage(file, { width: 400, height: 400, fit: 'inside' });
  assert.equal([larger.width, larger.height], [HEIGHT, WIDTH], 'never enlarged');
  const loader = new ImageLoader({ size: { width: 50, height: 40, fit: 'fill' } });
  const filled = await loader.load(file);
  assert.equal([filled.width, filled.height, filled.rgb.length], [50, 40, 50 * 40 * 3]);
});

test('a single bad image is skipped or, by a strict loader, thrown', async () => {
  const reports: ImageError[] = [];
  const loader = new ImageLoader({ report: (error) => reports.push(error) });
  assert.is((await loader.loadOrSkip(join(folder, 'a.png')))?.width, WIDTH);
  for (let i = 0; i < 2; i++) assert.is(await loader.loadOrSkip(join(folder, 'text.jpg')), null);
  assert.is(reports.length, 1);
  assert.instance(await rejection(new ImageLoader({ strict: true }).loadOrSkip(join(folder, 'text.jpg'))), ImageError);
});

test('the cache holds what fits and forgets the least recently used', async () => {
  const png = readFileSync(join(folder, 'a.png'));
  const files = ['1', '2', '3'].map((name) => put(`cache${name}.png`, png));
  const size = WIDTH * HEIGHT * 3;
  const loader = new ImageLoader({ cacheBytes: 2 * size + 1 });
  const [first, second] = [await loader.load(files[0]), await loader.load(files[1])];
  assert.is(await loader.load(files[0]), first);
  await loader.load(files[2]);
  assert.is(loader.cachedBytes, 2 * size);
  assert.is(await loader.load(files[0]), first);
  assert.is.not(await loader.load(files[1]), second);
  const [a, b] = [loader.load(files[2]), loader.load(files[2])];
  assert.is(await a, await b, 'two requests share one decode');
  const tiny = new ImageLoader({ cacheBytes: 10 });
  await tiny.load(files[0]);
  assert.is(tiny.cachedBytes, 0);
});

test('one bad image is reported once and skipped, several are an error', async () => {
  const png = readFileSync(join(folder, 'a.png'));
  const items = Array.from({ length: 20 }, (_, i) => ({ file: put(`pass${i}.png`, png), i }));
  writeFileSync(items[3].file, 'bad');
  const reports: ImageError[] = [];
  const loader = new ImageLoader({ ahead: 3, report: (error) => reports.push(error) });
  const pass = async (from: ImageLoader) => {
    const seen: number[] = [];
    for await (const { item, image } of from.inOrder(items)) {
      assert.is(image.width, WIDTH);
      seen.push(item.i);
    }
    return seen;
  };
  const expected = items.map(({ i }) => i).filter((i) => i !== 3);
  assert.equal(await pass(loader), expected);
  assert.equal(await pass(loader), expected);
  assert.is(reports.length, 1);
  assert.is(loader.bad.length, 1);
  assert.match(reports[0].message, items[3].file);
  assert.instance(await rejection(pass(new ImageLoader({ strict: true }))), ImageError);
  writeFileSync(items[7].file, '');
  const error = await rejection(pass(new ImageLoader()));
  assert.instance(error, ImageError);
  assert.match(error.message, '2 of 20 images');
  assert.match(error.message, items[7].file);
});

test.run();
