/** The stages in their order. What a stage has written is not made again. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { ProposalCoverage } from '@cim/model/detect/upper-bound';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import type { Rle } from '@cim/model/evaluate/rle';
import type { LabelledImage as PseudoLabelSource } from '@cim/model/label/pseudo-labels';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { Device } from '@cim/runtime';
import { type LabelledImage, labelsOnly } from '../datasets/dataset.ts';
import { groundTruth } from '../datasets/ground-truth.ts';
import { openSplits } from '../datasets/open.ts';
import { drawDetections } from '../draw/draw-dataset.ts';
import { ConfigError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { parseJson } from '../formats/json.ts';
import { writePseudoLabels } from '../label/write-labels.ts';
import type { CachedProposals } from '../proposals/cache.ts';
import { reportHtml } from '../report/report.ts';
import { writeCocoResults } from '../results/instances.ts';
import { assignStage } from './assign.ts';
import { beside } from './beside.ts';
import { canvasSize, evaluateClassifier, trainClassifierStage } from './classify.ts';
import type { Reporter, RunContext } from './context.ts';
import { proposalSummary, scoreResults } from './evaluate.ts';
import { cocoResults, inferImages } from './infer.ts';
import { previewImages, previewNetwork } from './preview.ts';
import { openProposals, proposeStage } from './propose.ts';
import { RunFolder } from './run-folder.ts';
import type { CurvePoint, RunSummary } from './summary.ts';
import { startsFromClassifier, trainCimStage } from './train.ts';
import { warmUpRecipe } from './warm-up.ts';
import { requireReadable, WorkingImages } from './working-images.ts';

export interface RunOptions {
  /** The data set's folder. */
  readonly data: string;
  /** The run's folder. */
  readonly out: string;
  readonly recipe: Recipe;
  readonly strict: boolean;
  /** Validation images that the network of every checkpoint is tried on, for people who watch. Default 0. */
  readonly preview?: number;
  readonly report: Reporter;
}

/** An open run: data set, folder, device, and what it had to leave out. */
export interface Run extends RunContext {
  readonly proposals: CachedProposals;
  readonly skipped: readonly string[];
  readonly preview: number;
}

/** @throws DataError for a data set that cannot be used, ConfigError when the folder holds a run of another recipe. */
export async function openRun(
  device: Device,
  { data, out, recipe, strict, preview = 0, report }: RunOptions,
): Promise<Run> {
  const splits = await openSplits(data);
  const train = labelsOnly(splits.train);
  const { val } = splits;
  const { classes } = train;
  const folder = new RunFolder(out);
  const remedy = 'Choose another --out folder, or delete it to start anew.';
  if (existsSync(folder.recipe)) {
    const begun = parseJson(await readFile(folder.recipe, 'utf8'), folder.recipe, remedy);
    if (!isDeepStrictEqual(begun, recipe))
      throw new ConfigError(`${folder.root} holds a run of another recipe.`, remedy);
  }
  await writeFileAtomic(folder.recipe, JSON.stringify(recipe, null, 2));
  if (train.unlabelled > 0) report.info(`${train.unlabelled} training images have no label and are left out.`);
  const skipped: string[] = [];
  const warn = (message: string): void => {
    if (skipped.includes(message)) return;
    skipped.push(message);
    report.warn(message);
  };
  const proposals = openProposals({ folder, recipe, train }, { warn });
  const images = new WorkingImages({ strict, report: { warn } });
  return {
    device,
    folder,
    recipe,
    classes,
    train,
    val,
    strict,
    report: { ...report, warn },
    images,
    proposals,
    skipped,
    preview,
  };
}

/** @throws ConfigError when a training was begun in the folder. */
export function refuseBegun(out: string): void {
  const folder = new RunFolder(out);
  if (existsSync(folder.classifier) || existsSync(folder.cim)) {
    throw new ConfigError(
      `A training was begun in ${folder.root}.`,
      'Add --resume to go on, or choose another --out folder.',
    );
  }
}

export const proposalStage = (run: Run, images: readonly LabelledImage[]): Promise<number> =>
  proposeStage(run, images, run.proposals);

interface Prepared {
  readonly curve: readonly CurvePoint[];
  /** Mean AP of image classification on the validation split, percent; null where the recipe needs no classifier. */
  readonly classifierMAP: number | null;
  readonly secondsPerImage: number;
}

/** Times stages by name. */
export type Timer = <T>(stage: string, work: () => Promise<T>) => Promise<T>;
const untimed: Timer = (_, work) => work();

/**
 * Everything that training needs: classifier, proposals of `images`, labels of the training images. The proposals, which
 * are the processor's work, are made while the GPU trains the classifier: their time is what is left after that.
 *
 * @throws ImageError when no image of a split can be read.
 */
export async function prepare(run: Run, images: readonly LabelledImage[], timed: Timer = untimed): Promise<Prepared> {
  for (const split of [run.train, run.val]) await requireReadable(run, split);
  const canvas = await canvasSize(run);
  const needed = needsClassifier(run);
  const ready = warmUpRecipe(run.device, run.recipe, { ...canvas, classes: run.classes.length });
  const proposals = beside(run.report, (report, signal) =>
    proposeStage({ ...run, report }, images, run.proposals, signal),
  );
  try {
    const train = async (): Promise<readonly CurvePoint[]> => {
      await ready;
      return trainClassifierStage(run, canvas);
    };
    const curve = needed ? await timed('classifier', train) : [];
    const classifierMAP = needed
      ? await timed('classifier test', () => evaluateClassifier(run, canvas, run.val.images))
      : null;
    const secondsPerImage = await timed('proposals', proposals.finish);
    await timed('labels', () => assignStage(run, canvas, run.proposals));
    return { curve, classifierMAP, secondsPerImage };
  } finally {
    await proposals.stop();
  }
}

/** Whether labels come from a classifier, or the network starts from it. */
const needsClassifier = ({ recipe, folder }: Run): boolean =>
  (recipe.labels.source === 'peaks' && !existsSync(folder.labels)) || startsFromClassifier(recipe);

export async function prepareAndTrain(
  run: Run,
  images: readonly LabelledImage[],
  timed: Timer = untimed,
): Promise<Prepared & { trainingCurve: readonly CurvePoint[] }> {
  const previewed = previewImages(run);
  const prepared = await prepare(run, [...new Set<LabelledImage>([...images, ...previewed])], timed);
  const preview = previewed.length > 0 ? () => previewNetwork(run) : undefined;
  return { ...prepared, trainingCurve: await timed('training', () => trainCimStage(run, run.proposals, preview)) };
}

/** Pictures in the report. */
const OVERLAYS = 12;
const OVERLAY_SCORE = 0.3;

/** All stages; nothing when the folder holds the summary. @param before seconds of what was done before, for the summary. */
export async function runAll(run: Run, before: Readonly<Record<string, number>> = {}): Promise<RunSummary> {
  const { device, recipe, folder, train, val, classes, skipped } = run;
  const truth = groundTruth(val); // first: it refuses what cannot be evaluated
  const data = {
    folder: train.root,
    classes: classes.map(({ name }) => name),
    train: train.images.length,
    val: val.images.length,
  };
  if (existsSync(folder.summary)) return finished(run, data);
  const seconds: Record<string, number> = { ...before };
  const timed: Timer = async (stage, work) => {
    const begin = performance.now();
    const result = await work();
    seconds[stage] = (performance.now() - begin) / 1000;
    return result;
  };

  const prepared = await prepareAndTrain(run, [...train.images, ...val.images], timed);
  const { refinement, antiNoise, coverage, detected, proposalCount } = await timed('inference', () =>
    detectAndCompare(run, truth),
  );
  await writeCocoResults(folder.results, refinement);
  await writeCocoResults(folder.antiNoiseResults, antiNoise);

  const { strategies, quality } = await timed('evaluation', async () => ({
    strategies: [
      scoreResults(truth, refinement, recipe.cim.strategy, recipe.seed),
      ...(refines(recipe.cim)
        ? [scoreResults(truth, antiNoise, `anti-noise branch of ${recipe.cim.strategy}`, recipe.seed)]
        : []),
    ],
    quality: proposalSummary(coverage.quality(), proposalCount / Math.max(1, detected.size)),
  }));
  await timed('pseudo labels', () =>
    writePseudoLabels(folder.pseudoLabels, trainingDetections(run), classes, {
      scoreThreshold: recipe.pseudoLabelThreshold,
    }),
  );
  const dataset = { ...val, images: val.images.filter(({ id }) => detected.has(id)) };
  const pictures = await timed('pictures', () =>
    drawDetections({
      dataset,
      results: refinement,
      groundTruth: truth,
      folder: folder.overlays,
      limit: OVERLAYS,
      minScore: OVERLAY_SCORE,
    }),
  );

  const summary: RunSummary = {
    recipe: recipe.name,
    data,
    strategies,
    classifier: prepared.classifierMAP === null ? null : { mAP: prepared.classifierMAP },
    proposals: { ...quality, secondsPerImage: prepared.secondsPerImage },
    seconds,
    adapter: device.adapter,
    peakBytes: device.memoryUse.peak,
    skipped,
  };
  const curves = [
    ...(prepared.curve.length > 0 ? [{ title: 'Classifier', points: prepared.curve }] : []),
    { title: 'Training', points: prepared.trainingCurve },
  ];
  await writeFileAtomic(folder.report, reportHtml({ summary, curves, pictures }));
  await writeFileAtomic(folder.summary, JSON.stringify(summary, null, 2)); // last: it says that all is done
  return summary;
}

/** Whether the detections of the anti-noise branch are worth a comparison: others are made, and it learned. */
const refines = ({ strategy, antiNoiseBranch }: Recipe['cim']): boolean => antiNoiseBranch && strategy !== 'wsddn';

/** The summary of a run that is done. @throws ConfigError when it was on other data. */
async function finished({ folder, report }: Run, data: RunSummary['data']): Promise<RunSummary> {
  const summary = JSON.parse(await readFile(folder.summary, 'utf8')) as RunSummary;
  if (JSON.stringify(summary.data) !== JSON.stringify(data)) {
    throw new ConfigError(
      `${folder.root} holds a run on other data: ${JSON.stringify(summary.data)}, not ${JSON.stringify(data)}.`,
      'Choose another --out folder, or delete it to start anew.',
    );
  }
  report.info(`All stages are done: ${folder.root} is left as it is.`);
  return summary;
}

/** Detections of both heads in the validation images, and how the proposals cover the objects. */
async function detectAndCompare(run: Run, truth: CocoJson) {
  const refinement: CocoResult[] = [];
  const antiNoise: CocoResult[] = [];
  const coverage = new ProposalCoverage(truth);
  const detected = new Set<number>();
  let proposalCount = 0;
  for await (const found of inferImages(run, 'Detect', run.val.images)) {
    refinement.push(...cocoResults(run, found, 'refinement'));
    antiNoise.push(...cocoResults(run, found, 'antiNoise'));
    const { count } = found.proposals.network.masks;
    const masks = Array.from({ length: count }, (_, n) => found.proposals.fileMask(n));
    coverage.add({ id: found.entry.id, ...found.size }, masks);
    detected.add(found.entry.id);
    proposalCount += count;
  }
  return { refinement, antiNoise, coverage, detected, proposalCount };
}

/** What is found in the training images, as pseudo labels are made of it. */
async function* trainingDetections(run: Run): AsyncGenerator<PseudoLabelSource, void> {
  for await (const { entry, size, proposals, refinement } of inferImages(run, 'Pseudo labels', run.train.images)) {
    const { id, fileName: file_name, labels } = entry;
    const classes = new Set(labels);
    const detections = refinement.filter(({ classIndex }) => classes.has(classIndex));
    const masks: Rle[] = []; // by proposal: only those that were detected
    for (const { proposal } of detections) masks[proposal] ??= proposals.fileMask(proposal);
    yield { id, file_name, ...size, classes, detections, masks };
  }
}
