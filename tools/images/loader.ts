/** Decoded images for training and evaluation: read ahead, kept while there is room, bad ones skipped. */
import { ImageError } from '../errors.ts';
import { decodeImage } from './decode.ts';
import type { DecodedImage, DecodeSize } from './size.ts';

export interface LoaderOptions {
  /** Every image is brought to this size. */
  readonly size?: DecodeSize;
  /** Bytes of pixels that stay decoded. */
  readonly cacheBytes?: number;
  /** How many images are decoded ahead of the one in use. */
  readonly ahead?: number;
  /** The first bad image is an error; otherwise it is reported and skipped. */
  readonly strict?: boolean;
  /** Told of every bad image, once. */
  readonly report?: (error: ImageError) => void;
}

/** Above this share of bad images the data set is wrong, not an image. */
const TOLERATED_SHARE = 0.01;

/** Decodes image files with a bounded cache. */
export class ImageLoader {
  readonly #size: DecodeSize | undefined;
  readonly #cacheBytes: number;
  readonly #ahead: number;
  readonly #strict: boolean;
  readonly #report: (error: ImageError) => void;
  /** Least recently used first. */
  readonly #cache = new Map<string, DecodedImage>();
  readonly #pending = new Map<string, Promise<DecodedImage>>();
  readonly #bad = new Map<string, ImageError>();
  #bytes = 0;

  constructor({ size, cacheBytes = 2 ** 29, ahead = 8, strict = false, report = () => {} }: LoaderOptions = {}) {
    this.#size = size;
    this.#cacheBytes = cacheBytes;
    this.#ahead = ahead;
    this.#strict = strict;
    this.#report = report;
  }

  /** Bytes of pixels in the cache. */
  get cachedBytes(): number {
    return this.#bytes;
  }

  /** The bad images met so far. */
  get bad(): readonly ImageError[] {
    return [...this.#bad.values()];
  }

  /** The pixels of one file. The array is shared: do not write to it. @throws ImageError */
  async load(file: string): Promise<DecodedImage> {
    const cached = this.#cache.get(file);
    if (cached) {
      this.#cache.delete(file); // and back in, as the most recently used
      this.#cache.set(file, cached);
      return cached;
    }
    let pending = this.#pending.get(file);
    if (!pending) {
      pending = decodeImage(file, this.#size)
        .then((image) => this.#keep(file, image))
        .finally(() => this.#pending.delete(file));
      this.#pending.set(file, pending);
    }
    return pending;
  }

  /** The pixels of one file, or null when it is bad and the loader is not strict; it is reported once. @throws ImageError */
  async loadOrSkip(file: string): Promise<DecodedImage | null> {
    const image = await this.#loadOrError(file);
    if (!(image instanceof ImageError)) return image;
    this.#note(file, image);
    return null;
  }

  /**
   * Every item with its pixels, in order, decoding up to `ahead` items beyond the one handed out. A bad image is skipped
   * unless the loader is strict; a pass with more than 1 % bad images (and more than one) fails.
   *
   * @throws ImageError
   */
  async *inOrder<Item extends { readonly file: string }>(
    items: readonly Item[],
  ): AsyncGenerator<{ item: Item; image: DecodedImage }> {
    const window: Promise<DecodedImage | ImageError>[] = [];
    let skipped = 0;
    for (const [i, item] of items.entries()) {
      while (window.length <= this.#ahead && i + window.length < items.length) {
        window.push(this.#loadOrError(items[i + window.length].file));
      }
      const image = await (window.shift() as Promise<DecodedImage | ImageError>);
      if (image instanceof ImageError) this.#skip(item.file, image, ++skipped, items.length);
      else yield { item, image };
    }
  }

  async #loadOrError(file: string): Promise<DecodedImage | ImageError> {
    return this.#bad.get(file) ?? this.load(file).catch((error: ImageError) => error);
  }

  #note(file: string, error: ImageError): void {
    if (this.#strict) throw error;
    if (this.#bad.has(file)) return;
    this.#bad.set(file, error);
    this.#report(error);
  }

  #skip(file: string, error: ImageError, skipped: number, total: number): void {
    this.#note(file, error);
    if (skipped <= Math.max(1, total * TOLERATED_SHARE)) return;
    throw new ImageError(
      `${skipped} of ${total} images cannot be decoded; the last one: ${error.message}`,
      'Repair the data set: more than 1 % of bad images is not skipped.',
      { cause: error },
    );
  }

  #keep(file: string, image: DecodedImage): DecodedImage {
    if (image.rgb.length > this.#cacheBytes) return image;
    this.#cache.set(file, image);
    this.#bytes += image.rgb.length;
    for (const [oldest, { rgb }] of this.#cache) {
      if (this.#bytes <= this.#cacheBytes) break;
      this.#cache.delete(oldest);
      this.#bytes -= rgb.length;
    }
    return image;
  }
}
