/** `cim data`: fetches, converts and makes what is missing, then says what still is. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Device } from '@cim/runtime';
import type { Progress } from '../cli/progress.ts';
import { DataError } from '../errors.ts';
import type { Reporter } from '../pipeline/context.ts';
import { type Checked, check, stateOf } from './checklist.ts';
import { type FetchOptions, fetchItems } from './fetch-items.ts';
import { cocoItems, type DatasetKind, type Item, vocItems } from './items.ts';
import { makeProposals, writeCobPickles } from './prepare-proposals.ts';
import { convertVoc, vocJson } from './voc/convert.ts';

export interface PrepareOptions extends FetchOptions {
  /** The data folder: `data/`. */
  readonly root: string;
  readonly download: boolean;
  /** Also fetches what only test-dev needs. */
  readonly test: boolean;
  readonly proposals?: 'cob' | 'make';
}

/** Opens a device when proposals are made, and closes it. */
export type WithDevice = (work: (device: Device) => Promise<void>) => Promise<void>;

/**
 * Prepares a data set as far as the options allow, and checks every item of its layout.
 *
 * @throws DownloadError, DataError for files that are damaged, OutputError when the disk has no room.
 */
export async function prepareData(
  kind: DatasetKind,
  { root: folder, download, test, proposals, ...fetching }: PrepareOptions,
  withDevice: WithDevice,
  report: Reporter,
): Promise<Checked[]> {
  const root = resolve(folder);
  const items = (): Item[] => (kind === 'voc' ? vocItems(root) : cocoItems(root));
  if (download) {
    const wanted = ({ needed, remote }: Item): boolean =>
      needed || remote?.whenOptional === 'always' || (test && remote?.whenOptional === 'test');
    const lacking = (await check(items())).filter(({ item, found }) => stateOf(found) !== 'present' && wanted(item));
    await fetchItems(
      root,
      lacking.map(({ item }) => item),
      fetching,
      report,
    );
  }
  if (kind === 'voc') await convertMissing(join(root, 'VOC2012'), report);
  if (proposals === 'make') {
    await withDevice(async (device) => {
      const count = await makeProposals(device, root, kind, report);
      report.info(`Made proposals of ${count} images.`);
    });
  }
  if (proposals) for (const file of await writeCobPickles(root, kind, report)) report.info(`Wrote ${file}.`);
  return check(items());
}

/** Makes the COCO files that are missing, if what they are made of is there. */
async function convertMissing(root: string, report: Reporter): Promise<void> {
  for (const split of ['trainaug', 'val'] as const) {
    const file = vocJson(root, split);
    if (existsSync(file) || !existsSync(join(root, 'ImageSets')) || !existsSync(join(root, 'Annotations'))) continue;
    let bar: Progress | undefined;
    try {
      const { images, objects, masked } = await convertVoc(root, split, (total) => {
        bar ??= report.progress(`Annotations of ${split}`, total);
        bar.advance();
      });
      report.info(`Wrote ${file}: ${objects} objects in ${images} images, ${masked} of them with masks.`);
    } catch (error) {
      // The lists of one split may be missing: the checklist says so.
      if (!(error instanceof DataError) || bar !== undefined) throw error;
      report.info(`${error.message} ${error.remedy}`);
    } finally {
      bar?.stop();
    }
  }
}
