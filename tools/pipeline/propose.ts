/** Mask proposals of all images, a file each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ProposalOptions, type Proposals, proposeMasks } from '@cim/model/proposals/proposals';
import type { HostImage } from '@cim/model/train/sample';
import type { Device } from '@cim/runtime';
import type { LabelledImage } from '../datasets/dataset.ts';
import { type ProposalOrigin, readProposals, writeProposals } from '../proposals/files.ts';
import { forEach, type Reporter, type RunContext } from './context.ts';
import { insideSize, WorkingImages } from './working-images.ts';

/** Proposals on the disk, by image id. */
export class ProposalFiles {
  readonly #folder: string;
  readonly #options: ProposalOptions;
  readonly #report: Pick<Reporter, 'warn'>;

  /** @param report told of images without any proposal. */
  constructor(folder: string, options: ProposalOptions, report: Pick<Reporter, 'warn'>) {
    this.#folder = folder;
    this.#options = options;
    this.#report = report;
  }

  pathOf({ id }: Pick<LabelledImage, 'id'>): string {
    return join(this.#folder, `${id}.safetensors`);
  }

  /** Null when the image has none: it is of one colour, or could not be read when proposals were made. @throws DataError when the file was made of something else. */
  async load(
    entry: LabelledImage,
    { width, height }: { readonly width: number; readonly height: number },
  ): Promise<Proposals | null> {
    const path = this.pathOf(entry);
    const found = existsSync(path) ? await readProposals(path, { width, height, ...this.#originOf(entry) }) : null;
    if (found && found.count > 0) return found;
    this.#report.warn(`${entry.fileName} has no proposals: it is left out.`);
    return null;
  }

  async make(device: Device, entry: LabelledImage, image: HostImage): Promise<void> {
    const proposals = await proposeMasks(device, image, this.#options);
    await writeProposals(this.pathOf(entry), proposals, this.#originOf(entry));
  }

  #originOf({ fileName }: LabelledImage): ProposalOrigin {
    return { image: fileName, options: this.#options };
  }
}

/** Makes the proposals that are missing. Returns the mean seconds an image took; 0 when there was nothing to do. */
export async function proposeStage(
  context: RunContext,
  entries: readonly LabelledImage[],
  files: ProposalFiles,
): Promise<number> {
  const { device, recipe } = context;
  const missing = entries.filter((entry) => !existsSync(files.pathOf(entry)));
  const images = new WorkingImages(context, insideSize(recipe.workingSize));
  let seconds = 0;
  await forEach(context, 'Proposals', missing, async (entry) => {
    const image = await images.load(entry);
    if (!image) return;
    const begin = performance.now();
    await files.make(device, entry, image);
    seconds += (performance.now() - begin) / 1000;
  });
  return missing.length > 0 ? seconds / missing.length : 0;
}
