/** The main job: from images and image labels to instances, evaluated. Stages that are done are not done again. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Device } from '@cim/runtime';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { pseudoLabels } from '@cim/model/label/pseudo-labels';
import type { Recipe } from '@cim/model/recipe/recipe';
import { labelsOnly } from '../datasets/dataset.ts';
import { groundTruth } from '../datasets/ground-truth.ts';
import { openDataset } from '../datasets/open.ts';
import { drawDetections } from '../draw/draw-dataset.ts';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { reportHtml } from '../report/report.ts';
import { assignStage } from './assign.ts';
import { canvasSize, evaluateClassifier, trainClassifierStage } from './classify.ts';
import type { Reporter, RunContext } from './context.ts';
import { proposalQuality, scoreResults } from './evaluate.ts';
import { cocoResults, type ImageDetections, inferImages } from './infer.ts';
import { ProposalFiles, proposeStage } from './propose.ts';
import { RunFolder } from './run-folder.ts';
import type { RunSummary } from './summary.ts';
import { trainCimStage } from './train.ts';

export interface RunOptions {
  /** The data set's folder. */
  readonly data: string;
  /** The run's folder. */
  readonly out: string;
  readonly recipe: Recipe;
  readonly strict: boolean;
  readonly report: Reporter;
}

/** Pictures in the report. */
const OVERLAYS = 12;
const OVERLAY_SCORE = 0.3;

/** Opens data set and folder for stages. @throws ConfigError when the folder holds a run of another recipe. */
export async function openRun(device: Device, { data, out, recipe, strict, report }: RunOptions): Promise<RunContext & { skipped: string[] }> {
  const train = labelsOnly(await openDataset({ path: data, split: 'train' }));
  const { classes } = train;
  const val = await openDataset({ path: data, split: 'val', classes });
  const folder = new RunFolder(out);
  const text = JSON.stringify(recipe, null, 2);
  if (existsSync(folder.recipe) && (await readFile(folder.recipe, 'utf8')) !== text) {
    throw new ConfigError(`${folder.root} holds a run of another recipe.`, 'Choose another --out folder, or delete it to start anew.');
  }
  await writeFileAtomic(folder.recipe, text);
  if (train.unlabelled > 0) report.info(`${train.unlabelled} training images have no label and are left out.`);
  const skipped: string[] = [];
  const warn = (message: string): void => {
    if (skipped.includes(message)) return;
    skipped.push(message);
    report.warn(message);
  };
  return { device, folder, recipe, classes, train, val, strict, report: { ...report, warn }, skipped };
}

export async function run(device: Device, options: RunOptions): Promise<RunSummary> {
  const { recipe } = options;
  const context = await openRun(device, options);
  const { folder, train, val, classes, skipped } = context;
  const seconds: Record<string, number> = {};
  const timed = async <T>(stage: string, work: () => Promise<T>): Promise<T> => {
    const begin = performance.now();
    const result = await work();
    seconds[stage] = Math.round((performance.now() - begin) / 100) / 10;
    return result;
  };

  const canvas = await canvasSize(context);
  const classifierCurve = await timed('classifier', () => trainClassifierStage(context, canvas));
  const mAP = await evaluateClassifier(context, canvas, val.images);
  const proposals = new ProposalFiles(folder.proposals);
  const secondsPerImage = await timed('proposals', () => proposeStage(context, [...train.images, ...val.images], proposals));
  await timed('labels', () => assignStage(context, canvas, proposals));
  const curve = await timed('training', () => trainCimStage(context, proposals));

  const detected = await timed('inference', () => inferImages(context, 'Detect', val.images, proposals));
  const results = cocoResults(context, detected, 'refinement');
  const antiNoise = cocoResults(context, detected, 'antiNoise');
  await writeFileAtomic(folder.results, JSON.stringify(results));
  await writeFileAtomic(folder.antiNoiseResults, JSON.stringify(antiNoise));

  const truth = groundTruth(val);
  const scores = await timed('evaluation', async () => ({
    strategies: [
      scoreResults(truth, results, recipe.cim.strategy, recipe.seed),
      scoreResults(truth, antiNoise, `anti-noise branch of ${recipe.cim.strategy}`, recipe.seed),
    ],
    proposals: proposalQuality(truth, new Map(detected.map(({ entry, masks }) => [entry.id, masks]))),
  }));

  await timed('pseudo labels', async () => {
    const found = await inferImages(context, 'Pseudo labels', train.images, proposals);
    await writeFileAtomic(folder.pseudoLabels, JSON.stringify(trainingLabels(context, found)));
  });
  const pictures = await timed('pictures', () =>
    drawDetections({ dataset: val, results, groundTruth: truth, folder: folder.overlays, limit: OVERLAYS, minScore: OVERLAY_SCORE }),
  );

  const summary: RunSummary = {
    recipe: recipe.name,
    data: {
      folder: train.root,
      classes: classes.map(({ name }) => name),
      train: train.images.length,
      val: val.images.length,
    },
    strategies: scores.strategies,
    classifier: { mAP },
    proposals: { ...scores.proposals, secondsPerImage },
    seconds,
    adapter: device.adapter,
    peakBytes: device.memoryUse.peak,
    skipped,
  };
  await writeFileAtomic(folder.summary, JSON.stringify(summary, null, 2));
  const curves = [
    { title: 'Classifier', points: classifierCurve },
    { title: 'Training', points: curve },
  ];
  await writeFileAtomic(folder.report, reportHtml({ summary, curves, pictures }));
  return summary;
}

/** COCO annotations for Mask R-CNN from what was found in the training images. */
function trainingLabels({ classes, recipe }: RunContext, found: readonly ImageDetections[]): CocoJson {
  const images = found.map(({ entry, size, masks, refinement }) => ({
    id: entry.id,
    file_name: entry.fileName,
    ...size,
    classes: new Set(entry.labels),
    detections: refinement,
    masks,
  }));
  return pseudoLabels(images, classes, { scoreThreshold: recipe.pseudoLabelThreshold });
}
