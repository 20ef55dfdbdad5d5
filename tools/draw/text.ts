/** Lines of text on coloured paper. */
import type { RgbImage } from '@cim/model/image';
import { blend } from './blend.ts';
import { GLYPH_ADVANCE, GLYPH_HEIGHT, hasInk } from './font.ts';
import { inkOn, type Rgb } from './palette.ts';

const PAPER_OPACITY = 0.85;

/** Pixels that a text takes with its margin; `unit` is the side of a dot of its letters. */
export const textSize = (text: string, unit: number): { width: number; height: number } => ({
  width: (text.length * GLYPH_ADVANCE + 1) * unit,
  height: (GLYPH_HEIGHT + 2) * unit,
});

/** Writes a text in black or white, whichever reads better on the paper. What lies outside the picture is cut off. */
export function drawText(
  canvas: RgbImage,
  text: string,
  { left, top, unit, paper }: { left: number; top: number; unit: number; paper: Rgb },
): void {
  const { width, height } = textSize(text, unit);
  const ink = inkOn(paper);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = [Math.floor(x / unit) - 1, Math.floor(y / unit) - 1];
      const dark = column >= 0 && row >= 0 && row < GLYPH_HEIGHT && hasInk(text, column, row);
      blend(canvas, left + x, top + y, dark ? ink : paper, dark ? 1 : PAPER_OPACITY);
    }
  }
}
