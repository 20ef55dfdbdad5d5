/** Mask proposals of all images, a file each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Proposals, proposeMasks } from '@cim/model/proposals/proposals';
import type { LabelledImage } from '../datasets/dataset.ts';
import { readProposals, writeProposals } from '../proposals/files.ts';
import { forEach, type RunContext } from './context.ts';
import { insideSize, WorkingImages } from './working-images.ts';

/** Proposals on the disk, by image id. */
export class ProposalFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf({ id }: Pick<LabelledImage, 'id'>): string {
    return join(this.#folder, `${id}.safetensors`);
  }

  /**
   * Null when the image has no file: it could not be read when proposals were made.
   * @param size of the working image. @throws DataError when the file was made for another size.
   */
  async load(entry: LabelledImage, size: { readonly width: number; readonly height: number }): Promise<Proposals | null> {
    const path = this.pathOf(entry);
    return existsSync(path) ? readProposals(path, size) : null;
  }
}

/** Makes the proposals that are missing. Returns the mean seconds an image took; 0 when there was nothing to do. */
export async function proposeStage(context: RunContext, entries: readonly LabelledImage[], files: ProposalFiles): Promise<number> {
  const { device, recipe } = context;
  const missing = entries.filter((entry) => !existsSync(files.pathOf(entry)));
  const images = new WorkingImages(context, insideSize(recipe.workingSize));
  let seconds = 0;
  await forEach(context, 'Proposals', missing, async (entry) => {
    const image = await images.load(entry);
    if (!image) return;
    const begin = performance.now();
    const proposals = await proposeMasks(device, image, recipe.proposals);
    seconds += (performance.now() - begin) / 1000;
    await writeProposals(files.pathOf(entry), proposals);
  });
  return missing.length > 0 ? seconds / missing.length : 0;
}
