/** `cim prm retrieve`: instance masks from the cues of a run's classifier and its proposals. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { type RetrievalOptions, retrieveInstances, type Size, type VisualCues } from '@cim/model/prm/index';
import { z } from 'zod';
import type { LabelledImage } from '../datasets/dataset.ts';
import { DataError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { describeIssue, parseJson } from '../formats/json.ts';
import { readText } from '../formats/json-file.ts';
import { insideSize } from '../images/size.ts';
import { forEach, type RunContext } from '../pipeline/context.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { type CueList, type ImageCues, readImageCues } from './cues.ts';

const instanceSchema = z.object({
  image_id: z.int(),
  category_id: z.int(),
  score: z.number(),
  segmentation: z.object({ size: z.tuple([z.int(), z.int()]), counts: z.string() }),
  /** Of the image's proposals, from 0. */
  proposal: z.int().min(0),
  /** Of the image's peaks, from 0: the one that took the proposal first, then those it suppressed. */
  peaks: z.array(z.int().min(0)).min(1),
});
/** A COCO result, and what it comes from. */
export type RetrievedResult = z.infer<typeof instanceSchema>;

export const instancesFile = (folder: string): string => join(folder, 'instances.json');

/**
 * Retrieves the instances of every image of the list and writes them to `instances.json` beside it.
 *
 * @param entries images of the data set: those of the list are looked up by id.
 * @throws DataError when the list was made of other images.
 */
export async function retrieveSplit(
  context: RunContext,
  proposals: ProposalSource,
  entries: readonly LabelledImage[],
  { folder, list, options }: { folder: string; list: CueList; options: RetrievalOptions },
): Promise<RetrievedResult[]> {
  const remedy = 'Run `cim prm infer` again, or choose another --cues folder.';
  if (
    !isDeepStrictEqual(
      list.classes,
      context.classes.map(({ id, name }) => ({ id, name })),
    )
  )
    throw new DataError(`${folder} has cues of other classes than the data set's.`, remedy);
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const size = insideSize(context.recipe.workingSize);
  const results: RetrievedResult[] = [];
  await forEach(context, 'Retrieve', list.images, async (cued) => {
    const entry = byId.get(cued.image_id);
    if (entry?.fileName !== cued.file_name) {
      throw new DataError(
        `${folder} has cues of ${cued.file_name} (${cued.image_id}), which the data set ${entry ? `calls ${entry.fileName}` : 'lacks'}.`,
        remedy,
      );
    }
    const image = await context.images.load(entry, size);
    const regions = image && (await proposals.load(entry, image));
    if (!regions) return;
    const cues = await readImageCues(folder, list, cued);
    const found = retrieveInstances(visualCues(cues, list), regions.network.masks, options);
    for (const { classIndex, score, proposal, peaks } of found) {
      const { size, counts } = regions.fileMask(proposal);
      results.push({
        image_id: entry.id,
        category_id: list.classes[classIndex].id,
        score,
        segmentation: { size: [...size], counts },
        proposal,
        peaks: [...peaks],
      });
    }
  });
  await writeFileAtomic(instancesFile(folder), JSON.stringify(results));
  return results;
}

const visualCues = ({ peaks, responses, maps }: ImageCues, { canvas, grid }: CueList): VisualCues => ({
  canvas,
  peaks: peaks.map(({ classIndex }, i) => ({ classIndex, response: responses[i] })),
  classMap: (classIndex) => classMap(maps, classIndex, grid),
});

/** The part of a class's map that the image covers. */
export function classMap(maps: ImageCues['maps'], classIndex: number, grid: Size): Size & { values: Float32Array } {
  const [width, height] = [Math.min(maps.width, Math.ceil(grid.width)), Math.min(maps.height, Math.ceil(grid.height))];
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const first = (classIndex * maps.height + y) * maps.width;
    values.set(maps.values.subarray(first, first + width), y * width);
  }
  return { width, height, values };
}

/** Without what COCO's format does not know. */
export const asCocoResults = (results: readonly RetrievedResult[]): CocoResult[] =>
  results.map(({ image_id, category_id, score, segmentation }) => ({ image_id, category_id, score, segmentation }));

/** The instances that {@link retrieveSplit} wrote. @throws DataError when they do not belong to the cues of the list. */
export async function readInstances(folder: string, list: CueList): Promise<RetrievedResult[]> {
  const file = instancesFile(folder);
  const remedy = 'Run `cim prm retrieve` again.';
  const value = parseJson(await readText(file), file, remedy);
  const { data, error } = z.array(instanceSchema).safeParse(value);
  if (error) throw new DataError(`${file} lists no instances: ${describeIssue(error, value, 'instance')}.`, remedy);
  const images = new Map(list.images.map((image) => [image.image_id, image]));
  const categories = new Set(list.classes.map(({ id }) => id));
  for (const { image_id, category_id, segmentation, peaks } of data) {
    const image = images.get(image_id);
    const [height, width] = segmentation.size;
    const fits = image && categories.has(category_id) && height === image.height && width === image.width;
    if (!fits || peaks.some((peak) => peak >= image.peaks.length))
      throw new DataError(`${file} holds instances of other cues: one of image ${image_id} does not fit.`, remedy);
  }
  return data;
}
