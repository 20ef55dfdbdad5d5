/** Stage 2: which proposals belong to which instance, from the peaks of the classifier's response maps (AGPL). */
import { existsSync } from 'node:fs';
import { assignClusters } from '@cim/model/assign/index';
import type { Classifier } from '@cim/model/classify/classifier';
import { findPeaks, type Peak, peaksInImage } from '@cim/model/peaks/index';
import type { HostImage } from '@cim/model/train/sample';
import { functional as F, Tape } from '@cim/runtime';
import { CheckpointError } from '../errors.ts';
import { readSafetensors, type SafeTensor, writeSafetensors } from '../formats/safetensors.ts';
import type { DecodeSize } from '../images/decode.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { inputOf, loadClassifier } from './classify.ts';
import { forEach, type RunContext } from './context.ts';
import { insideSize, WorkingImages } from './working-images.ts';

const FORMAT = 'cim-clusters-1';

/** Peaks of the image's classes, in pixels of the canvas. */
async function imagePeaks(
  { device, recipe }: RunContext,
  classifier: Classifier,
  image: HostImage,
  labels: readonly number[],
): Promise<Peak[]> {
  const { maps, peakMap } = device.scope(() => {
    const tape = new Tape(device, { recording: false });
    const responses = classifier.responses({ tape, batchStatistics: false }, inputOf(device, image));
    const [, , h, w] = responses.shape;
    const { stride } = classifier.backbone;
    const maps = F.upsampleBilinear(tape, responses, [h * stride, w * stride], { alignCorners: true });
    return { maps, peakMap: F.peakStimulation(tape, maps).peakMap };
  });
  const [, , height, width] = maps.shape;
  const [values, peaks] = await Promise.all([maps.read(), peakMap.read()]);
  maps.dispose();
  peakMap.dispose();
  // The maps may reach over the right and bottom borders, by the padding up to whole cells.
  return findPeaks({ values, peakMap: peaks, height, width }, labels, recipe.labels.peakThreshold).filter(
    ({ row, column }) => row < image.height && column < image.width,
  );
}

/** Writes the cluster labels of all training images, unless they are there. */
export async function assignStage(context: RunContext, canvas: DecodeSize, proposals: ProposalSource): Promise<void> {
  const { folder, recipe, classes, train } = context;
  if (existsSync(folder.labels)) return;
  const classifier = await loadClassifier(context);
  const images = new WorkingImages(context, canvas);
  const working = new WorkingImages(context, insideSize(recipe.workingSize));
  const clusters: [string, SafeTensor][] = [];
  await forEach(context, 'Labels', train.images, async (entry) => {
    const [image, size] = [await images.load(entry), await working.load(entry)];
    const regions = size && (await proposals.load(entry, size));
    if (!image || !regions) return;
    const { masks } = regions.network;
    const peaks = peaksInImage(await imagePeaks(context, classifier, image, entry.labels), canvas, masks);
    const { averageThreshold, iouThreshold } = recipe.labels;
    const data = assignClusters(masks, peaks, { numClasses: classes.length, averageThreshold, iouThreshold });
    clusters.push([
      String(entry.id),
      { dtype: 'F32', shape: [masks.count, classes.length + 1], data: data as Float32Array<ArrayBuffer> },
    ]);
  });
  classifier.parameters.dispose();
  await writeSafetensors(folder.labels, { format: FORMAT, classes: JSON.stringify(classes) }, clusters);
}

/** Cluster labels [N, C+1] by image id. @throws CheckpointError when the file is of another format. */
export async function readClusters(path: string): Promise<Map<number, Float32Array>> {
  const { metadata, tensors } = await readSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new CheckpointError(
      `${path} does not hold cluster labels (format ${JSON.stringify(metadata.format)}).`,
      'Run `cim assign` again.',
    );
  }
  return new Map([...tensors].map(([id, { data }]) => [Number(id), data as Float32Array]));
}
