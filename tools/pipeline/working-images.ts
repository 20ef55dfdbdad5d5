import type { HostImage } from '@cim/model/train/sample';
import type { LabelledDataset, LabelledImage } from '../datasets/dataset.ts';
import { ImageError } from '../errors.ts';
import { ImageLoader } from '../images/loader.ts';
import { type DecodeSize, insideSize } from '../images/size.ts';
import type { Reporter, RunContext } from './context.ts';

/** An image at the size all stages work on, and its size in the file. */
export interface WorkingImage extends HostImage {
  readonly original: { readonly width: number; readonly height: number };
}

interface WorkingImagesOptions extends Pick<RunContext, 'strict'> {
  readonly report: Pick<Reporter, 'warn'>;
}

/** Images of a data set, decoded once at each size while memory lasts. A bad one is reported and gives null. */
export class WorkingImages {
  readonly #options: WorkingImagesOptions;
  readonly #loaders = new Map<string, ImageLoader>();

  constructor(options: WorkingImagesOptions) {
    this.#options = options;
  }

  async load({ file, fileName }: LabelledImage, size: DecodeSize): Promise<WorkingImage | null> {
    const image = await this.#loaderOf(size).loadOrSkip(file);
    return image && { ...image, name: fileName };
  }

  #loaderOf(size: DecodeSize): ImageLoader {
    const key = `${size.fit} ${size.width}×${size.height}`;
    let loader = this.#loaders.get(key);
    if (!loader) {
      const { strict, report } = this.#options;
      loader = new ImageLoader({ size, strict, report: (error) => report.warn(error.message) });
      this.#loaders.set(key, loader);
    }
    return loader;
  }
}

/** Fails early when none of a split's images can be decoded. @throws ImageError */
export async function requireReadable(
  { recipe, images: working }: Pick<RunContext, 'recipe' | 'images'>,
  { name, root, images }: Pick<LabelledDataset, 'name' | 'root' | 'images'>,
): Promise<void> {
  const size = insideSize(recipe.workingSize);
  for (const image of images) if (await working.load(image, size)) return;
  throw new ImageError(
    `None of the ${images.length} images of "${name}" in ${root} can be decoded.`,
    'The reasons were reported above, one per image: repair the data set.',
  );
}
