/** The folder of a finished run on a tiny data set, made without a GPU. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { segmentationRuns } from '@cim/model/evaluate/coco-json';
import { compressRuns, encodeRle, maskOfRuns, type Rle, uncompressRuns } from '@cim/model/evaluate/rle';
import { compactClusters, writeClusters } from '@cim/tools/assign/clusters';
import { quantiseMaps, writePeaks } from '@cim/tools/assign/peaks';
import { openDataset } from '@cim/tools/datasets/open';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { writeProposals } from '@cim/tools/proposals/files';
import { temporaryFolder, tinyRecipe } from '../tools/tiny-run.ts';

export const SIZE = 64;
const STRIPES = 4;

export interface RunFixture {
  readonly folder: string;
  readonly val: CocoJson;
  /** Of the first validation image: what was found in it. */
  readonly found: readonly CocoResult[];
}

const jsonOf = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T;

/** Detections are the annotated masks without their upper half, and one of low score that is nothing. */
export async function makeRun(name: string, { train = 3, val = 5 } = {}): Promise<RunFixture> {
  const folder = join(temporaryFolder(name), 'demo');
  const data = join(folder, 'data');
  mkdirSync(folder, { recursive: true });
  await writeDemoDataset(data, { seed: 2, train, val, width: SIZE, height: SIZE });
  const recipe = await tinyRecipe();
  const write = (file: string, value: unknown): void => writeFileSync(join(folder, file), JSON.stringify(value));
  write('recipe.json', recipe);
  const truth = jsonOf<CocoJson>(data, 'annotations', 'val.json');
  const results = truth.annotations.flatMap(({ image_id, category_id, segmentation }): CocoResult[] => [
    { image_id, category_id, score: 0.9, segmentation: lowerHalf(segmentation) },
    { image_id, category_id, score: 0.1, segmentation: corner() },
  ]);
  write('results.json', results);
  const training = jsonOf<CocoJson>(data, 'annotations', 'train.json');
  write('pseudo-labels.json', {
    ...training,
    annotations: training.annotations.map((annotation) => ({
      ...annotation,
      segmentation: uncompressRuns(segmentationRuns(annotation.segmentation, SIZE, SIZE)),
      score: 0.75,
    })),
  });
  const trained = await openDataset({ path: data, split: 'train' });
  const clusters = new Map<number, ReturnType<typeof compactClusters>>();
  const peaks = new Map<number, Parameters<typeof writePeaks>[1] extends ReadonlyMap<number, infer P> ? P : never>();
  for (const image of trained.images) {
    await writeProposals(join(folder, 'proposals', `${image.id}.safetensors`), stripes(), {
      image: image.fileName,
      options: recipe.proposals as never,
    });
    const columns = trained.classes.length + 1;
    const rows = new Float32Array(STRIPES * columns);
    rows[image.labels[0] + 1] = 1;
    clusters.set(image.id, compactClusters(rows, columns));
    const maps = { values: new Float32Array(trained.classes.length * 4).fill(2), height: 2, width: 2 };
    const peak = { classIndex: image.labels[0], x: 0.5, y: 0.25, score: 3 };
    peaks.set(image.id, { peaks: [peak], maps: quantiseMaps(maps, image.labels) });
  }
  await writeClusters(join(folder, 'labels.safetensors'), recipe, trained.classes, clusters);
  await writePeaks(join(folder, 'peaks.safetensors'), peaks);
  writeFileSync(join(folder, 'cim.log.jsonl'), [0, 1, 2].map(curveLine).join(''));
  writeFileSync(join(folder, 'cim.monitor.jsonl'), [0, 1, 2].map((step) => monitorLine(step)).join(''));
  const first = truth.images[0].id;
  return { folder, val: truth, found: results.filter(({ image_id: id }) => id === first) };
}

export const curveLine = (step: number): string =>
  `${JSON.stringify({ step, lr: 0.001, losses: { total: 10 - step, bag: 4, pcl: 6 - step } })}\n`;

export const monitorLine = (step: number, time = 1000 * step): string =>
  `${JSON.stringify({ step, time, images: 4, memory: { live: 2 ** 20, peak: 2 ** 22, reserved: 2 ** 23 } })}\n`;

function lowerHalf(segmentation: CocoJson['annotations'][number]['segmentation']): Rle {
  const mask = maskOfRuns(segmentationRuns(segmentation, SIZE, SIZE));
  const rows = Array.from({ length: SIZE }, (_, y) => mask.subarray(y * SIZE, (y + 1) * SIZE).includes(1));
  const middle = Math.ceil((rows.indexOf(true) + rows.lastIndexOf(true)) / 2);
  mask.fill(0, 0, middle * SIZE);
  return encodeRle(mask, SIZE, SIZE);
}

const corner = (): Rle => compressRuns({ height: SIZE, width: SIZE, counts: Uint32Array.of(0, 2, SIZE * SIZE - 2) });

/** Upright stripes, a proposal each. */
function stripes(): Parameters<typeof writeProposals>[1] {
  const labels = Uint16Array.from({ length: SIZE * SIZE }, (_, i) => Math.floor(((i % SIZE) * STRIPES) / SIZE));
  return {
    width: SIZE,
    height: SIZE,
    count: STRIPES,
    labels,
    leafCount: STRIPES,
    members: Uint32Array.from({ length: STRIPES }, (_, n) => 1 << n),
    scores: Float32Array.from({ length: STRIPES }, (_, n) => 1 - n / STRIPES),
  };
}
