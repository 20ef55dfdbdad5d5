/** Pixels of an image. */
export interface RgbImage {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** RGB, 8 bits, row-major [H, W, 3]. */
  readonly rgb: Uint8Array;
}
