import {
  type ImageSize,
  MAPS,
  proposalBlur,
  proposalEdges,
  proposalLab,
  type SlicGrid,
  slicIteration,
} from '@cim/kernels/proposal/proposal';
import type { Device } from '@cim/runtime/device';
import type { Tensor } from '@cim/runtime/tensor';
import type { RgbImage } from '../image.ts';

/** What the GPU finds of every pixel; planes are [height · width]. */
export interface PixelMaps extends ImageSize {
  /** Planes L, a, b. */
  readonly lab: Float32Array;
  /** Edge strength of the coarse scale. */
  readonly edge: Float32Array;
  /** |∇L| of the fine scale. */
  readonly gradient: Float32Array;
  /** Direction of the gradient, one of 8 sectors. */
  readonly orientation: Float32Array;
  /** SLIC superpixel; not connected yet. */
  readonly label: Float32Array;
}

/** Lab units that weigh as much as one superpixel's width. */
const COMPACTNESS = 12;
/** The centres start as the means of their cells; more rounds did not change how well proposals cover objects. */
const ITERATIONS = 3;

/** Runs the image through the proposal kernels and reads everything back at once. */
export async function segmentPixels(device: Device, image: RgbImage, superpixels: number): Promise<PixelMaps> {
  const { width, height } = image;
  const n = width * height;
  const run = (): Tensor => recordSegmentation(device, image, superpixels);
  await device.compile(() => void run());
  const maps = device.scope(run);
  const planes = (await maps.read()) as Float32Array;
  maps.dispose();
  const plane = (first: number, count = 1): Float32Array => planes.subarray(first * n, (first + count) * n);
  return {
    width,
    height,
    lab: plane(MAPS.lab, 3),
    edge: plane(MAPS.edge),
    gradient: plane(MAPS.gradient),
    orientation: plane(MAPS.orientation),
    label: plane(MAPS.label),
  };
}

/** Cells as square as they can be, about `superpixels` of them, none smaller than a pixel. */
function slicGrid({ width, height }: ImageSize, superpixels: number): SlicGrid {
  const step = Math.sqrt((width * height) / superpixels);
  const cells = (size: number): number => Math.min(size, Math.max(1, Math.round(size / step)));
  return { columns: cells(width), rows: cells(height) };
}

/** Runs the image through the proposal kernels: the planes of {@link MAPS} and scratch tensors, which a scope disposes. */
export function recordSegmentation(
  device: Device,
  { rgb: bytes, width, height }: RgbImage,
  superpixels: number,
): Tensor {
  const size = { width, height };
  const n = width * height;
  const words = new Uint32Array(n);
  for (let i = 0; i < n; i++) words[i] = bytes[3 * i] | (bytes[3 * i + 1] << 8) | (bytes[3 * i + 2] << 16);
  const rgb = device.tensor(words, [n]);
  const maps = device.empty([MAPS.count, n]);
  const rows = device.empty([6, n]);
  const blurred = device.empty([6, n]);
  device.run(proposalLab(size), { rgb, maps });
  device.run(proposalBlur({ ...size, axis: 'x' }), { x: maps, y: rows });
  device.run(proposalBlur({ ...size, axis: 'y' }), { x: rows, y: blurred });
  device.run(proposalEdges(size), { blurred, maps });

  const shape = { ...size, ...slicGrid(size, superpixels) };
  const cells = shape.columns * shape.rows;
  const sums = [device.empty([cells, 9, 6]), device.empty([cells, 9, 6])];
  for (let iteration = 0; iteration <= ITERATIONS; iteration++) {
    const kernel = slicIteration({ ...shape, compactness: COMPACTNESS, initial: iteration === 0 });
    device.run(kernel, { blurred, previous: sums[(iteration + 1) % 2], sums: sums[iteration % 2], maps });
  }
  return maps;
}
