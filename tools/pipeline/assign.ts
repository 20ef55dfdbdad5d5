/** Stage 2: which proposals belong to which instance, from the classifier's peaks (AGPL) or from points. */
import { existsSync } from 'node:fs';
import { type AssignedPeak, assignClusters } from '@cim/model/assign/index';
import { classifierInput } from '@cim/model/classify/input';
import { locatePeaks, peaksInImage } from '@cim/model/peaks/index';
import { type CompactClusters, compactClusters, readClusters, writeClusters } from '../assign/clusters.ts';
import { readLabelPickle, writeLabelPickle } from '../assign/label-pickle.ts';
import { type ImagePeaks, type QuantisedMaps, quantiseMaps, writePeaks } from '../assign/peaks.ts';
import type { LabelledImage } from '../datasets/dataset.ts';
import { readPoints } from '../datasets/points.ts';
import { ConfigError, DataError } from '../errors.ts';
import { type DecodeSize, insideSize } from '../images/size.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { loadClassifier } from './classify.ts';
import { type RunContext, worked } from './context.ts';
import type { WorkingImage } from './working-images.ts';

/** Where the instances of an image are, in pixels of the working image, in the order that labels are assigned. */
interface PeakSource {
  /** Null when the image cannot be read. */
  peaks(entry: LabelledImage, image: WorkingImage): Promise<FoundPeaks | null>;
  dispose(): void;
}

interface FoundPeaks {
  readonly peaks: readonly (AssignedPeak & { readonly score?: number })[];
  /** Of the image's labels, for people to look at. */
  readonly maps?: QuantisedMaps;
}

/** Peaks of the image's classes in the classifier's maps, weakest first. */
async function classifierPeaks(context: RunContext, canvas: DecodeSize): Promise<PeakSource> {
  const { device, recipe } = context;
  const classifier = await loadClassifier(context);
  const grid = { width: canvas.width / classifier.cellSize, height: canvas.height / classifier.cellSize };
  return {
    peaks: async (entry, working) => {
      const image = await context.images.load(entry, canvas);
      if (!image) return null;
      const input = classifierInput(device, image);
      const options = { labels: entry.labels, threshold: recipe.labels.peakThreshold };
      const { peaks, maps } = await locatePeaks(device, classifier, input, options);
      input.dispose();
      return { peaks: peaksInImage(peaks, grid, working), maps: quantiseMaps(maps, entry.labels) };
    },
    dispose: () => classifier.parameters.dispose(),
  };
}

/** The points of the data set, in the order of their files. */
const labelledPoints = ({ train, classes }: RunContext): PeakSource => ({
  peaks: async (entry, image) => ({ peaks: await readPoints(train.root, entry, classes, image) }),
  dispose: () => {},
});

/** From pixels of the working image to shares of any size of it. */
const placed = ({ peaks, maps }: FoundPeaks, { width, height }: WorkingImage): ImagePeaks => ({
  peaks: peaks.map(({ classIndex, row, column, score }) => ({
    classIndex,
    x: (column + 0.5) / width,
    y: (row + 0.5) / height,
    score,
  })),
  maps,
});

/** Writes the cluster labels of all training images, unless they are there. */
export async function assignStage(context: RunContext, canvas: DecodeSize, proposals: ProposalSource): Promise<void> {
  const { folder, recipe, classes, train, images } = context;
  if (existsSync(folder.labels)) return;
  const source = recipe.labels.source === 'points' ? labelledPoints(context) : await classifierPeaks(context, canvas);
  const size = insideSize(recipe.workingSize);
  const clusters = new Map<number, CompactClusters>();
  const peaks = new Map<number, ImagePeaks>();
  const { averageThreshold, iouThreshold } = recipe.labels;
  const assigned = worked(context, 'Labels', train.images, async (entry) => {
    const image = await images.load(entry, size);
    const regions = image && (await proposals.load(entry, image));
    const found = regions && (await source.peaks(entry, image));
    if (!found) return null;
    const { masks } = regions.network;
    const data = assignClusters(masks, found.peaks, { numClasses: classes.length, averageThreshold, iouThreshold });
    return { id: entry.id, clusters: compactClusters(data, classes.length + 1), ...placed(found, image) };
  });
  for await (const found of assigned) {
    if (!found) continue;
    clusters.set(found.id, found.clusters);
    peaks.set(found.id, found);
  }
  source.dispose();
  await writePeaks(folder.peaks, peaks);
  await writeClusters(folder.labels, recipe, classes, clusters);
}

/**
 * Takes the labels of the training images from a file of the original, instead of assigning them.
 * @throws ConfigError when the run has labels; DataError when the file does not hold labels of its classes and images.
 */
export async function importLabels(
  { folder, recipe, classes, train, report }: RunContext,
  path: string,
): Promise<void> {
  if (existsSync(folder.labels))
    throw new ConfigError(`The run has labels: ${folder.labels}.`, 'Delete them, or choose another --out folder.');
  const clusters = await readLabelPickle(path, classes.length + 1);
  const labelled = train.images.filter(({ id }) => clusters.has(id)).length;
  if (labelled === 0)
    throw new DataError(`${path} labels no image of ${train.name} in ${train.root}.`, 'Give the data set it is of.');
  report.info(`${path} labels ${labelled} of the ${train.images.length} training images.`);
  await writeClusters(folder.labels, recipe, classes, clusters);
}

/** Writes the run's labels as the original keeps them. */
export async function exportLabels({ folder, recipe, classes }: RunContext, path: string): Promise<void> {
  await writeLabelPickle(path, await readClusters(folder.labels, recipe, classes), classes.length + 1);
}
