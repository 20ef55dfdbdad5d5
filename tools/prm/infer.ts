/** `cim prm infer`: what the classifier of a run sees in images. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { classifierInput } from '@cim/model/classify/input';
import { locatePeaks, peakResponses, peaksInImage } from '@cim/model/peaks/index';
import type { LabelledImage } from '../datasets/dataset.ts';
import { ConfigError, DataError, reasonOf } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { canvasSize, loadClassifier, trainClassifierStage } from '../pipeline/classify.ts';
import { forEach, type RunContext } from '../pipeline/context.ts';
import { CUES_FORMAT, type CuedImage, type CueList, cueListFile, writeImageCues } from './cues.ts';

export interface InferOptions {
  readonly images: readonly LabelledImage[];
  /** Look for the peaks of the images' labels, or of the classes that the classifier finds (score 0 or more). */
  readonly labels: CueList['labels'];
  /** Response above which every peak counts. */
  readonly peakThreshold: number;
  /** Where the cues go. */
  readonly folder: string;
}

/**
 * Makes sure that a run has its classifier; one that needs no training is loaded.
 * @throws ConfigError when it must be trained first.
 */
export async function requireClassifier(context: RunContext): Promise<void> {
  const { folder, recipe } = context;
  if (existsSync(folder.classifier)) return;
  if (recipe.classifier.training.steps > 0) {
    throw new ConfigError(
      `${folder.root} has no classifier.`,
      'Train it with `cim prm train`, or give trained weights and no steps: ' +
        '--set classifier.weights=FILE classifier.training.steps=0.',
    );
  }
  await trainClassifierStage(context, await canvasSize(context));
}

/** Writes the visual cues of every image that can be read. Returns the list. */
export async function inferCues(context: RunContext, options: InferOptions): Promise<CueList> {
  const { device, classes } = context;
  const { folder, labels, peakThreshold } = options;
  const canvas = await canvasSize(context);
  const classifier = await loadClassifier(context);
  const grid = { width: canvas.width / classifier.cellSize, height: canvas.height / classifier.cellSize };
  const list: CuedImage[] = [];
  await forEach(context, 'Peaks', options.images, async (entry) => {
    const image = await context.images.load(entry, canvas);
    if (!image) return;
    const input = classifierInput(device, image);
    const located = await locatePeaks(device, classifier, input, {
      labels: labels === 'given' ? entry.labels : null,
      threshold: peakThreshold,
    });
    const responses = await peakResponses(device, classifier, input, located.peaks);
    input.dispose();
    const cues = `${entry.id}.safetensors`;
    await writeImageCues(join(folder, cues), { ...located, responses }, canvas);
    const { width, height } = image.original;
    list.push({
      image_id: entry.id,
      file_name: entry.fileName,
      width,
      height,
      cues,
      scores: [...located.scores],
      peaks: located.peaks.map((peak) => {
        const [{ row: y, column: x }] = peaksInImage([peak], grid, image.original);
        const { row, column, score } = peak;
        return { category_id: classes[peak.classIndex].id, row, column, score, x, y };
      }),
    });
  });
  classifier.parameters.dispose();
  const { width, height } = canvas;
  const cues: CueList = {
    format: CUES_FORMAT,
    canvas: { width, height },
    grid,
    labels,
    peakThreshold,
    classes: classes.map(({ id, name }) => ({ id, name })),
    images: list,
  };
  await writeFileAtomic(cueListFile(folder), JSON.stringify(cues));
  return cues;
}

const ENDINGS = ['.jpg', '.jpeg', '.png', '.webp'];

/** The image files of a folder, numbered from 1 in alphabetical order; nothing is known of them. @throws DataError */
export async function imagesOfFolder(path: string): Promise<LabelledImage[]> {
  const folder = resolve(path);
  const remedy = `Give a folder that holds ${ENDINGS.join(', ')} files.`;
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new DataError(`Cannot read ${folder}: ${reasonOf(cause)}.`, remedy, { cause });
  });
  const files = names.filter((name) => ENDINGS.includes(extname(name).toLowerCase())).sort();
  if (files.length === 0) throw new DataError(`${folder} holds no image.`, remedy);
  return files.map((fileName, i) => ({ id: i + 1, file: join(folder, fileName), fileName, labels: [] }));
}
