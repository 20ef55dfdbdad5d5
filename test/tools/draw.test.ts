import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RgbImage } from '@cim/model/image';
import { contactSheet } from '@cim/tools/draw/contact-sheet';
import { GLYPH_ADVANCE, GLYPH_HEIGHT, hasInk } from '@cim/tools/draw/font';
import { drawInstances } from '@cim/tools/draw/overlay';
import { classColour, inkOn } from '@cim/tools/draw/palette';
import { decodeImage } from '@cim/tools/images/decode';
import { encodePng } from '@cim/tools/images/png';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('draw');
const [WIDTH, HEIGHT] = [61, 47];
const grey = (width = WIDTH, height = HEIGHT, value = 100): RgbImage => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(value),
});
/** A mask of the rectangle. */
const block = (left: number, top: number, right: number, bottom: number): Uint8Array =>
  Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    return Number(x >= left && x < right && y >= top && y < bottom);
  });
const at = ({ width, rgb }: RgbImage, x: number, y: number): number[] => [
  ...rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

test('a mask is a contour around a translucent fill', () => {
  const image = grey();
  const drawn = drawInstances(image, [{ mask: block(10, 20, 30, 40), classIndex: 2, className: '' }]);
  const colour = classColour(2);
  assert.equal(at(drawn, 10, 25), [...colour]);
  assert.equal(at(drawn, 29, 39), [...colour]);
  assert.equal(
    at(drawn, 20, 30),
    colour.map((c) => Math.round(100 + 0.36 * (c - 100))),
  );
  assert.equal(at(drawn, 30, 30), [100, 100, 100]);
  assert.equal(at(drawn, 20, 40), [100, 100, 100]);
  assert.equal(image, grey(), 'the picture itself stays as it was');
});

test('zoom enlarges picture, mask and box alike', () => {
  const instance = {
    mask: block(40, 30, 50, 40),
    box: [38, 28, 52, 42] as const,
    classIndex: 0,
    className: 'x',
    score: 1,
  };
  const drawn = drawInstances(grey(), [instance], 3);
  assert.equal([drawn.width, drawn.height], [3 * WIDTH, 3 * HEIGHT]);
  const colour = [...classColour(0)];
  assert.equal(at(drawn, 3 * 40, 3 * 35), colour);
  assert.equal(at(drawn, 3 * 40 - 1, 3 * 35), [100, 100, 100]);
  assert.equal(at(drawn, 3 * 38, 3 * 35), colour);
  assert.equal(at(drawn, 3 * 52 - 1, 3 * 35), colour);
  assert.equal(at(drawn, 3 * 52, 3 * 35), [100, 100, 100]);
});

test('a label shows its text on the corner of the instance, inside the picture', () => {
  const shown = (mask: Uint8Array, left: number, top: number, text: string, instance: object) => {
    const drawn = drawInstances(grey(), [{ mask, classIndex: 4, className: 'ab', ...instance }]);
    const ink = [...inkOn(classColour(4))].join();
    for (let y = 0; y < GLYPH_HEIGHT; y++) {
      for (let x = 0; x < text.length * GLYPH_ADVANCE; x++) {
        assert.is(at(drawn, left + 1 + x, top + 1 + y).join() === ink, hasInk(text, x, y), `${x}, ${y}`);
      }
    }
  };
  shown(block(10, 20, 30, 40), 10, 10, 'ab', {});
  shown(block(0, 0, 8, 8), 0, 0, 'ab', {});
  shown(block(10, 20, 30, 40), 10, 10, 'ab 0.35', { score: 0.349 });
  shown(block(50, 20, 60, 40), WIDTH - 43, 10, 'ab 1.00', { score: 1 });
});

test('an empty mask draws nothing, a mask of another size is refused', () => {
  const empty = { mask: new Uint8Array(WIDTH * HEIGHT), classIndex: 0, className: 'a' };
  assert.equal(drawInstances(grey(), [empty]), grey());
  assert.throws(
    () => drawInstances(grey(), [{ ...empty, mask: new Uint8Array(9) }]),
    /9 pixels on a picture of 61 × 47/,
  );
});

test('letters differ, and unknown ones are question marks', () => {
  const bits = (letter: string) =>
    Array.from({ length: 5 * GLYPH_HEIGHT }, (_, i) => Number(hasInk(letter, i % 5, Math.floor(i / 5)))).join('');
  const printable = Array.from({ length: 95 }, (_, i) => bits(String.fromCharCode(32 + i)));
  assert.is(new Set(printable).size, 95);
  assert.is(bits('é'), bits('?'));
  assert.is(bits('T'), ['11111', '10101', '00100', '00100', '00100', '00100', '00100', '00000'].join(''));
});

test('colours are distinct and labels readable on them', () => {
  const colours = Array.from({ length: 21 }, (_, i) => classColour(i));
  for (const [i, a] of colours.entries()) {
    for (const b of colours.slice(0, i))
      assert.ok(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) > 30, `${a} and ${b}`);
    assert.ok(Math.hypot(...inkOn(a).map((c, k) => c - a[k])) > 150, `ink on ${a}`);
  }
  assert.equal(classColour(79), classColour(79 % 21));
});

test('a contact sheet places every picture whole', async () => {
  const pictures = [grey(10, 8, 1), grey(6, 8, 2), grey(10, 4, 3)];
  const sheet = contactSheet(pictures, 2);
  assert.equal([sheet.width, sheet.height], [6 + 2 * 16, 6 + 2 * 14]);
  for (const [i, { width, height }] of pictures.entries()) {
    assert.is(sheet.rgb.filter((value) => value === i + 1).length, width * height * 3);
  }
  assert.equal(at(sheet, 6, 6), [1, 1, 1]);
  assert.equal(at(sheet, 24, 6), [2, 2, 2], 'centred in its cell');
  assert.equal(at(sheet, 6, 22), [3, 3, 3]);
  const folder = mkdtempSync(join(tmpdir(), 'cim-draw-'));
  try {
    writeFileSync(join(folder, 'sheet.png'), encodePng(sheet));
    assert.equal((await decodeImage(join(folder, 'sheet.png'))).rgb, sheet.rgb);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
