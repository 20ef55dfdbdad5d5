/** Pixels of an image. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits, row-major [H, W, 3]. */
  readonly rgb: Uint8Array;
}
