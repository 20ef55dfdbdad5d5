/** One view of test-time augmentation. */
export interface TestPass {
  /** Longer side of the network's input, pixels. */
  readonly size: number;
  /** Whether the image is mirrored left to right. */
  readonly flip: boolean;
}

/** Which views an image is scored in. */
export interface TestPassOptions {
  /** Longer sides, as multiples of the image's or in pixels. */
  readonly scales: readonly number[];
  /** Of the scales: multiples of the image's longer side, or pixels. */
  readonly unit: 'image' | 'pixels';
  /** Adds a mirrored pass of each. */
  readonly flip: boolean;
}

/**
 * The views of an image in the original's order (im_detect_bbox_aug, lib/core/test.py): the first scale mirrored, every other
 * plain and mirrored, the first scale plain last. With scales of 480, 576, 688, 864 and 1200 pixels these are its ten passes.
 *
 * @param longerSide of the image, pixels.
 */
export function testPasses({ scales, unit, flip }: TestPassOptions, longerSide: number): TestPass[] {
  const [first, ...others] = scales.map((scale) => Math.round(unit === 'image' ? scale * longerSide : scale));
  const pass = (size: number, flipped: boolean): TestPass => ({ size, flip: flipped });
  return [
    ...(flip ? [pass(first, true)] : []),
    ...others.flatMap((size) => (flip ? [pass(size, false), pass(size, true)] : [pass(size, false)])),
    pass(first, false),
  ];
}
