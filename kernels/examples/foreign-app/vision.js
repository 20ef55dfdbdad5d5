/**
 * Three operations of computer vision on a GPUDevice, and the same on the CPU by the references of the package. Images
 * are f32 [3, height, width], 0 to 1. `gpu` and `cpu` are results of one shape.
 */
import { convForwardDirect, packMasks, pairwiseOverlap, roiAlign, roiWeights } from '@cim/kernels';
import * as reference from '@cim/kernels/reference';
import { allocate, download, run, upload } from './dispatch.js';

/** Rec. 709 luma of red, green and blue, and a 3×3 Laplacian. */
const LUMA = [0.2126, 0.7152, 0.0722];
const LAPLACIAN = [-1, -1, -1, -1, 8, -1, -1, -1, -1];

/** Edges of an image [height, width]: a convolution of three channels to one, then ReLU. */
export async function findEdges(device, { pixels, width, height }) {
  const shape = { n: 1, ci: 3, h: height, w: width, co: 1, kh: 3, kw: 3, stride: 1, padding: 1, dilation: 1 };
  const weight = new Float32Array(LUMA.flatMap((share) => LAPLACIAN.map((tap) => share * tap)));
  const [x, w, bias] = [pixels, weight, new Float32Array(1)].map((data) => upload(device, data));
  const y = allocate(device, 4 * height * width);
  // The epilogue adds no residual: any buffer may stand for it.
  run(device, [convForwardDirect(shape, { bias: true, relu: true }), { x, weight: w, bias, residual: x, y }]);
  return { gpu: await download(device, y), cpu: reference.convForward(shape, pixels, weight, [0], true) };
}

/** Crops [boxes, 3, size, size] of an image: RoIAlign of boxes [x1, y1, x2, y2], pixels. */
export async function cropBoxes(device, { pixels, width, height }, boxes, size) {
  const shape = {
    rois: boxes.length,
    batch: 1,
    channels: 3,
    height,
    width,
    outputSize: size,
    spatialScale: 1,
    samplingRatio: 2,
  };
  const list = new Float32Array(boxes.flatMap((box) => [0, ...box]));
  const [features, rois] = [pixels, list].map((data) => upload(device, data));
  const table = allocate(device, 4 * boxes.length * (height + width) * (size + 2));
  const y = allocate(device, 4 * boxes.length * 3 * size * size);
  run(device, [roiWeights(shape), { rois, table }], [roiAlign(shape), { features, rois, table, y }]);
  return { gpu: await download(device, y), cpu: reference.roiAlign(pixels, list, shape) };
}

/** IoU [masks, masks] of masks that are Uint8Arrays of 0 and 1, one for each pixel. */
export async function compareMasks(device, masks) {
  const n = masks.length;
  const pixels = masks[0].length;
  const bytes = new Uint8Array(4 * Math.ceil((n * pixels) / 4));
  masks.forEach((mask, i) => bytes.set(mask, i * pixels));
  const words = Math.ceil(pixels / 32);
  const [packed, iou, containment] = [n * words, n * n, n * n].map((count) => allocate(device, 4 * count));
  run(
    device,
    [packMasks({ n, pixels }), { bytes: upload(device, bytes), packed }],
    [pairwiseOverlap({ n, words }), { packed, iou, containment }],
  );
  return { gpu: await download(device, iou), cpu: reference.pairwiseOverlap(bytes, n, pixels).iou };
}
