/** A split of a data set with what a run found in it, as the app looks at it. */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { CocoAnnotation, CocoResult } from '@cim/model/evaluate/coco-json';
import { parseRle, runsBox } from '@cim/model/evaluate/rle';
import type { Recipe } from '@cim/model/recipe/recipe';
import sharp from 'sharp';
import { type CompactClusters, readClusters } from '../../assign/clusters.ts';
import { type ImagePeaks, openPeaks } from '../../assign/peaks.ts';
import type { Dataset, DatasetImage } from '../../datasets/dataset.ts';
import { annotationFile, openDataset } from '../../datasets/open.ts';
import { readGroundTruth } from '../../datasets/read-ground-truth.ts';
import { readResults } from '../../datasets/results.ts';
import { byImage } from '../../draw/panels.ts';
import { DataError } from '../../errors.ts';
import { findCobFile } from '../../proposals/cob-mat.ts';
import { proposalFile, readProposalMasks } from '../../results/proposal-masks.ts';
import type { ImageDetail, ImageInfo, Layer, ObjectLayer, PeakLayer, ProposalList, SplitIndex } from '../wire.ts';
import {
  annotationRuns,
  bestIous,
  columnsOf,
  maskedObject,
  type ObjectRuns,
  resultRuns,
  sameClass,
} from './columns.ts';

/** Images whose masks are compared before other requests get their turn. */
const BATCH = 32;

interface SizedImage extends DatasetImage {
  readonly width: number;
  readonly height: number;
}

export interface SplitSource {
  /** The data set's folder. */
  readonly data: string;
  readonly split: string;
  /** The run's folder; null for a data set by itself. */
  readonly run: string | null;
}

/** Opened once, it does not notice what changes: {@link splitStamp} tells. */
export class SplitView {
  readonly index: SplitIndex;
  readonly #images: ReadonlyMap<number, SizedImage>;
  readonly #found: Found;

  /** @throws DataError when a file is damaged or does not belong to the data set. */
  static async open(source: SplitSource): Promise<SplitView> {
    const dataset = await openDataset({ path: source.data, split: source.split });
    const images = await sized(dataset);
    const found = await openFound(source, dataset, images);
    const infos: ImageInfo[] = [];
    for (const [i, image] of images.entries()) {
      infos.push(describe(image, objectsOf(image, found)));
      if (i % BATCH === BATCH - 1) await new Promise(setImmediate);
    }
    return new SplitView(dataset, images, infos, found);
  }

  private constructor({ classes }: Dataset, images: readonly SizedImage[], infos: readonly ImageInfo[], found: Found) {
    this.#images = new Map(images.map((image) => [image.id, image]));
    this.#found = found;
    const has: Record<Layer, boolean> = {
      truth: found.truth,
      proposals: found.proposals !== null,
      peaks: found.peaks !== null,
      labels: found.labels !== null,
      detections: found.detections !== null,
    };
    this.index = {
      classes: classes.map(({ name }) => name),
      layers: (Object.keys(has) as Layer[]).filter((layer) => has[layer]),
      images: infos,
    };
  }

  /** The path of an image's file. Whether it may be served is for others to tell. */
  imageFile(id: number): string | undefined {
    return this.#images.get(id)?.file;
  }

  /** Null for an image that the split does not have. */
  async detail(id: number): Promise<ImageDetail | null> {
    const image = this.#images.get(id);
    if (!image) return null;
    const objects = objectsOf(image, this.#found);
    const ious = iousOf(objects);
    const layers = Object.entries(objects).map(([layer, list]) => [
      layer,
      list.map((object, i) => maskedObject(object, ious[layer as ObjectLayer]?.[i])),
    ]);
    const peaks = await this.#found.peaks?.(id);
    return { objects: Object.fromEntries(layers), ...(peaks ? { peaks: peakLayer(peaks) } : {}) };
  }

  /** Null for an image that the split does not have; none where they are not made yet. */
  async proposals(id: number): Promise<ProposalList | null> {
    const image = this.#images.get(id);
    const folder = this.#found.proposals;
    if (!image || folder === null) return null;
    const { cob, made } = proposalFile(folder, image);
    if (cob === undefined && made === undefined) return [];
    const { count, mask } = await readProposalMasks(folder, image);
    const masks = Array.from({ length: count }, (_, n) => {
      const rle = mask(n);
      return { mask: rle, runs: parseRle(rle) };
    });
    const truth = objectsOf(image, this.#found).truth;
    const ious = truth && bestIous(masks, truth);
    const clusters = (await this.#found.clusters?.())?.get(id);
    return masks.map(({ mask, runs }, n) => ({
      ...clusterOf(clusters, n),
      iou: ious?.[n],
      box: runsBox(runs),
      mask,
    }));
  }
}

/** The class and number of a proposal's cluster; column 0 is the background. */
function clusterOf(clusters: CompactClusters | undefined, n: number): { class: number | null; cluster?: number } {
  const [column = 0, number = 0] = clusters?.subarray(2 * n, 2 * n + 2) ?? [];
  return column > 0 && number > 0 ? { class: column - 1, cluster: number } : { class: null };
}

/** Files that a view depends on, by when they were written: another text says that a view is stale. */
export function splitStamp({ data, split, run }: SplitSource): string {
  const files = [annotationFile(data, split), ...(run === null ? [] : RUN_FILES.map((file) => join(run, file)))];
  return files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join(' ');
}

const RUN_FILES = ['results.json', 'pseudo-labels.json', 'labels.safetensors', 'peaks.safetensors', 'proposals'];

/** What a run found in a split, by image. */
interface Found {
  readonly classOf: ReadonlyMap<number, number>;
  /** Whether objects are annotated with masks. */
  readonly truth: boolean;
  readonly detections: ReadonlyMap<number, readonly CocoResult[]> | null;
  readonly labels: ReadonlyMap<number, readonly (CocoAnnotation & { score?: number })[]> | null;
  readonly peaks: ((id: number) => Promise<ImagePeaks | null>) | null;
  /** Clusters of proposals; read when proposals are looked at. */
  readonly clusters: (() => Promise<ReadonlyMap<number, CompactClusters>>) | null;
  /** The folder that has proposals. */
  readonly proposals: string | null;
}

/** A run detects in the validation images and labels the training images. */
async function openFound(
  { data, split, run }: SplitSource,
  { classes }: Dataset,
  images: readonly SizedImage[],
): Promise<Found> {
  const file = (name: string, wanted: boolean): string | null =>
    wanted && run !== null && existsSync(join(run, name)) ? join(run, name) : null;
  const results = file('results.json', split === 'val');
  const labels = file('pseudo-labels.json', split === 'train');
  const clusters = file('labels.safetensors', split === 'train');
  const peaks = file('peaks.safetensors', split === 'train');
  const made = file('proposals', true) === null ? null : run;
  const cob = images.length > 0 && findCobFile(data, images[0].fileName) !== undefined ? data : null;
  const readLabels = async (path: string) => byImage((await readGroundTruth(path)).annotations);
  return {
    classOf: new Map(classes.map(({ id }, i) => [id, i])),
    truth: images.some(({ annotations }) => annotations.some(({ segmentation }) => segmentation !== undefined)),
    detections: results === null ? null : byImage(await readResults(results, images)),
    labels: labels === null ? null : await readLabels(labels),
    peaks: peaks === null ? null : await openPeaks(peaks),
    clusters: clusters === null ? null : once(async () => readClusters(clusters, await recipeOf(run!), classes)),
    proposals: made ?? cob,
  };
}

/** The recipe of a run. */
const recipeOf = async (run: string): Promise<Recipe> =>
  JSON.parse(await readFile(join(run, 'recipe.json'), 'utf8')) as Recipe;

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}

/** Every image with its size: annotation files need not tell it. */
async function sized({ images, name }: Dataset): Promise<SizedImage[]> {
  const all: SizedImage[] = [];
  for (const image of images) {
    if (image.width !== undefined && image.height !== undefined) {
      all.push(image as SizedImage);
      continue;
    }
    const { width, height } = await sharp(image.file)
      .metadata()
      .then(({ autoOrient }) => autoOrient)
      .catch(() => {
        throw new DataError(`${image.fileName} of "${name}" cannot be decoded.`, 'Repair or remove it.');
      });
    all.push({ ...image, width, height });
  }
  return all;
}

type ObjectsByLayer = Partial<Record<ObjectLayer, ObjectRuns[]>>;

/** Annotated objects in the order of their file; what has a score by falling score. */
function objectsOf(image: SizedImage, { classOf, truth, detections, labels }: Found): ObjectsByLayer {
  const classIndex = (category: number): number => classOf.get(category) ?? -1;
  const annotated = (list: readonly (Partial<CocoAnnotation> & { category_id: number; score?: number })[]) =>
    list
      .map((annotation) => annotationRuns(annotation, classIndex(annotation.category_id), image))
      .filter((object) => object !== null);
  return {
    ...(truth ? { truth: annotated(image.annotations) } : {}),
    ...(labels ? { labels: byScore(annotated(labels.get(image.id) ?? [])) } : {}),
    ...(detections
      ? {
          detections: byScore(
            (detections.get(image.id) ?? []).map((result) => resultRuns(result, classIndex(result.category_id))),
          ),
        }
      : {}),
  };
}

const byScore = (objects: readonly ObjectRuns[]): ObjectRuns[] =>
  objects.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0));

/** What was found against the annotated objects, and these against what was found. */
function iousOf({ truth, labels, detections }: ObjectsByLayer): Partial<Record<ObjectLayer, number[]>> {
  if (!truth) return {};
  const found = detections ?? labels;
  return {
    ...(found ? { truth: bestIous(truth, found, sameClass) } : {}),
    ...(labels ? { labels: bestIous(labels, truth, sameClass) } : {}),
    ...(detections ? { detections: bestIous(detections, truth, sameClass) } : {}),
  };
}

function describe({ id, fileName, file, width, height, labels }: SizedImage, objects: ObjectsByLayer): ImageInfo {
  const ious = iousOf(objects);
  const columns = Object.entries(objects).map(([layer, list]) => [layer, columnsOf(list, ious[layer as ObjectLayer])]);
  return {
    id,
    name: fileName,
    file: `${id}${extname(file).toLowerCase()}`,
    width,
    height,
    labels,
    objects: Object.fromEntries(columns),
  };
}

const peakLayer = ({ peaks, maps }: ImagePeaks): PeakLayer => ({
  peaks: peaks.map(({ classIndex, ...peak }) => ({ class: classIndex, ...peak })),
  maps: (maps?.classes ?? []).map((classIndex, i) => {
    const { width, height, values } = maps!;
    const map = values.subarray(i * width * height, (i + 1) * width * height);
    return { class: classIndex, width, height, values: Buffer.from(map).toString('base64') };
  }),
});
