import type { HostImage } from '@cim/model/train/sample';
import type { LabelledDataset, LabelledImage } from '../datasets/dataset.ts';
import { ImageError } from '../errors.ts';
import type { DecodeSize } from '../images/decode.ts';
import { ImageLoader } from '../images/loader.ts';
import type { RunContext } from './context.ts';

/** An image at the size all stages work on, and its size in the file. */
export interface WorkingImage extends HostImage {
  readonly original: { readonly width: number; readonly height: number };
}

/** Images of a data set at working size, decoded once while memory lasts. A bad one is reported and gives null. */
export class WorkingImages {
  readonly #loader: ImageLoader;

  constructor({ strict, report }: Pick<RunContext, 'strict' | 'report'>, size: DecodeSize) {
    this.#loader = new ImageLoader({ size, strict, report: (error) => report.warn(error.message) });
  }

  async load({ file, fileName }: LabelledImage): Promise<WorkingImage | null> {
    const image = await this.#loader.loadOrSkip(file);
    return image && { ...image, name: fileName };
  }
}

/** Fails early when none of a split's images can be decoded. @throws ImageError */
export async function requireReadable(
  { recipe, strict, report }: Pick<RunContext, 'recipe' | 'strict' | 'report'>,
  { name, root, images }: Pick<LabelledDataset, 'name' | 'root' | 'images'>,
): Promise<void> {
  const working = new WorkingImages({ strict, report }, insideSize(recipe.workingSize));
  for (const image of images) if (await working.load(image)) return;
  throw new ImageError(
    `None of the ${images.length} images of "${name}" in ${root} can be decoded.`,
    'The reasons were reported above, one per image: repair the data set.',
  );
}

/** Longer sides above `size` are scaled down to it. */
export const insideSize = (size: number): DecodeSize => ({ width: size, height: size, fit: 'inside' });
