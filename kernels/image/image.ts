/**
 * Network input [1, 3, h, w] from an RGB image: packed bytes [H, W, 3], row-major, four to a u32 word, little-endian.
 * Values are brought to [0, 1], then normalised: (value − mean)/std per channel.
 *
 * - `prepareImage`  the original's resize (lib/utils/blob.py:prep_im_for_blob through OpenCV): scale = target / longer
 *                   side, bilinear in f32, truncated to whole grey levels; or its older `caffe` form for VGG's weights
 * - `augmentImage`  the demo classifier's augmentation: zoom and shift with a reflected border, colour jitter
 *
 * CPU references: image.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

type Triple = readonly [number, number, number];

/** Mean and standard deviation per channel, R, G, B, of values in [0, 1]. */
export interface Normalisation {
  /** Subtracted, R, G, B. */
  readonly mean: Triple;
  /** Divided by, R, G, B. */
  readonly std: Triple;
}

const normalisationUniforms = ({ mean, std }: Normalisation) => ({
  meanR: f32(mean[0]),
  meanG: f32(mean[1]),
  meanB: f32(mean[2]),
  scaleR: f32(1 / std[0]),
  scaleG: f32(1 / std[1]),
  scaleB: f32(1 / std[2]),
});

/** WGSL: a pixel, mirrored when `flip`, and the store of a pixel in [0, 1]. */
const PIXELS = `
fn byteAt(index: u32) -> f32 { return f32((rgb[index / 4u] >> (index % 4u * 8u)) & 255u); }

fn pixelAt(row: u32, column: u32) -> vec3f {
  let at = (row * u.width + select(column, u.width - 1u - column, u.flip == 1u)) * 3u;
  return vec3f(byteAt(at), byteAt(at + 1u), byteAt(at + 2u));
}

/** Bilinear value in grey levels, at a position within the cells' centres. */
fn sampleAt(y: f32, x: f32) -> vec3f {
  let top = u32(y);
  let left = u32(x);
  let bottom = min(top + 1u, u.height - 1u);
  let right = min(left + 1u, u.width - 1u);
  let fy = y - f32(top);
  let fx = x - f32(left);
  let above = pixelAt(top, left) * (1.0 - fx) + pixelAt(top, right) * fx;
  let below = pixelAt(bottom, left) * (1.0 - fx) + pixelAt(bottom, right) * fx;
  return above * (1.0 - fy) + below * fy;
}

fn store(i: u32, plane: u32, value: vec3f) {
  y[i] = (value.r - u.meanR) * u.scaleR;
  y[i + plane] = (value.g - u.meanG) * u.scaleG;
  y[i + 2u * plane] = (value.b - u.meanB) * u.scaleB;
}`;

/** An RGB image of bytes [height, width, 3]. */
export interface ImageShape {
  /** Rows of the source, pixels. */
  readonly height: number;
  /** Columns of the source, pixels. */
  readonly width: number;
  /** Mirror the source left to right. */
  readonly flip: boolean;
}

/** Packs the bytes [H, W, 3] for the `rgb` binding. */
export function packBytes(bytes: Uint8Array): Uint32Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}

/** Rounds halves to even, as OpenCV and NumPy do. */
function roundHalfEven(v: number): number {
  const floor = Math.floor(v);
  if (v - floor !== 0.5) return Math.round(v);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The size an image is resized to, and the factor that boxes are multiplied by. */
export function resizedSize(
  height: number,
  width: number,
  targetSize: number,
): { height: number; width: number; scale: number } {
  const scale = targetSize / Math.max(height, width);
  return { height: roundHalfEven(height * scale), width: roundHalfEven(width * scale), scale };
}

/**
 * Source positions of the h output rows, then of the w output columns, as OpenCV's resize takes them: (d + ½)/scale − ½
 * in f64, rounded to f32, with the border repeated. (The step is 1/scale, not the ratio of the rounded sizes.)
 */
export function sourcePositions(height: number, width: number, targetSize: number): Float32Array {
  const out = resizedSize(height, width, targetSize);
  const axis = (size: number, outSize: number) =>
    Array.from({ length: outSize }, (_, d) => Math.min(Math.max((d + 0.5) * (1 / out.scale) - 0.5, 0), size - 1));
  return Float32Array.from([...axis(height, out.height), ...axis(width, out.width)]);
}

/** How a network's input is made of an image (prep_im_for_blob, lib/utils/blob.py). */
export interface Preparation extends ImageShape, Normalisation {
  /** Pixels of the longer side. */
  readonly targetSize: number;
  /**
   * transform_mode "org" of the original: planes B, G, R in grey levels, neither truncated nor divided by 255. `mean` and
   * `std` are then in grey levels and in the order of the planes.
   */
  readonly caffe?: boolean;
}

/**
 * The network's input y from the image (prep_im_for_blob, lib/utils/blob.py).
 * Binds rgb u32 [⌈3·H·W/4⌉] of {@link packBytes}, positions [h + w] of {@link sourcePositions}, y [1, 3, h, w] of
 * {@link resizedSize}.
 */
export function prepareImage({
  height,
  width,
  targetSize,
  flip,
  caffe = false,
  ...normalisation
}: Preparation): Kernel<'rgb' | 'positions' | 'y'> {
  const out = resizedSize(height, width, targetSize);
  const pixels = out.height * out.width;
  return defineKernel({
    name: 'image.prepare',
    constants: { caffe },
    bindings: { rgb: read('u32'), positions: read(), y: write() },
    uniforms: {
      height: u32(height),
      width: u32(width),
      outHeight: u32(out.height),
      outWidth: u32(out.width),
      flip: u32(flip ? 1 : 0),
      ...normalisationUniforms(normalisation),
    },
    grid: linearGrid(pixels, WORKGROUP),
    flops: 30 * pixels,
    bytes: 3 * height * width + 12 * pixels,
    source: ({ caffe }) => wgsl`${PIXELS}
${linearIndex(WORKGROUP)}
  let plane = u.outHeight * u.outWidth;
  if (i >= plane) { return; }
  let value = sampleAt(positions[i / u.outWidth], positions[u.outHeight + i % u.outWidth]);
#if ${caffe}
  store(i, plane, value.bgr);
#else
  store(i, plane, floor(value) / 255.0);
#endif
}`,
  });
}

/**
 * A random view of an image. Brightness, offset and channel factors apply to values in [0, 1], before normalisation.
 */
export interface Augmentation {
  /** Magnification about the centre. */
  readonly scale: number;
  /** Moves the picture right, as a fraction of the width. */
  readonly shiftX: number;
  /** Moves the picture down, as a fraction of the height. */
  readonly shiftY: number;
  /** Factor of all channels. */
  readonly brightness: number;
  /** Added to all channels after the factors, in [0, 1] units. */
  readonly offset: number;
  /** Factors of R, G and B. */
  readonly channels: Triple;
}

/**
 * y = normalised clamp(value·brightness·channel + offset, 0, 1) of the image zoomed and shifted.
 * Binds rgb u32 [⌈3·H·W/4⌉] of {@link packBytes}, y [1, 3, H, W].
 */
export function augmentImage({
  height,
  width,
  flip,
  scale,
  shiftX,
  shiftY,
  brightness,
  offset,
  channels,
  ...normalisation
}: ImageShape & Augmentation & Normalisation): Kernel<'rgb' | 'y'> {
  const pixels = height * width;
  const start = (size: number, shift: number): number => size / 2 - (size / 2 + shift * size) / scale;
  return defineKernel({
    name: 'image.augment',
    bindings: { rgb: read('u32'), y: write() },
    uniforms: {
      height: u32(height),
      width: u32(width),
      flip: u32(flip ? 1 : 0),
      step: f32(1 / scale),
      startY: f32(start(height, shiftY)),
      startX: f32(start(width, shiftX)),
      gainR: f32((brightness * channels[0]) / 255),
      gainG: f32((brightness * channels[1]) / 255),
      gainB: f32((brightness * channels[2]) / 255),
      offset: f32(offset),
      ...normalisationUniforms(normalisation),
    },
    grid: linearGrid(pixels, WORKGROUP),
    flops: 40 * pixels,
    bytes: 15 * pixels,
    source: () => wgsl`${PIXELS}

/** A position from the image's edge, reflected at both edges, as a position from the first cell's centre. */
fn reflected(position: f32, size: f32) -> f32 {
  let period = 2.0 * size;
  let p = abs(position) - floor(abs(position) / period) * period;
  return clamp(min(p, period - p) - 0.5, 0.0, size - 1.0);
}
${linearIndex(WORKGROUP)}
  let plane = u.height * u.width;
  if (i >= plane) { return; }
  let sy = reflected((f32(i / u.width) + 0.5) * u.step + u.startY, f32(u.height));
  let sx = reflected((f32(i % u.width) + 0.5) * u.step + u.startX, f32(u.width));
  let value = sampleAt(sy, sx) * vec3f(u.gainR, u.gainG, u.gainB) + u.offset;
  store(i, plane, clamp(value, vec3f(0.0), vec3f(1.0)));
}`,
  });
}
