/** Many pictures in one. */
import type { RgbImage } from '@cim/model/image';

/** Pixels between the pictures and around them. */
const GAP = 6;
const PAPER = 32;

/** The pictures in rows of `columns`, each centred in a cell as large as the largest of them. */
export function contactSheet(images: readonly RgbImage[], columns: number): RgbImage {
  const cellWidth = Math.max(...images.map(({ width }) => width));
  const cellHeight = Math.max(...images.map(({ height }) => height));
  const across = Math.min(columns, images.length);
  const width = GAP + across * (cellWidth + GAP);
  const height = GAP + Math.ceil(images.length / across) * (cellHeight + GAP);
  const rgb = new Uint8Array(width * height * 3).fill(PAPER);
  for (const [i, image] of images.entries()) {
    const left = GAP + (i % across) * (cellWidth + GAP) + Math.floor((cellWidth - image.width) / 2);
    const top = GAP + Math.floor(i / across) * (cellHeight + GAP) + Math.floor((cellHeight - image.height) / 2);
    for (let y = 0; y < image.height; y++) {
      const row = image.rgb.subarray(y * image.width * 3, (y + 1) * image.width * 3);
      rgb.set(row, ((top + y) * width + left) * 3);
    }
  }
  return { width, height, rgb };
}
