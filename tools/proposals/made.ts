/** Proposals made from superpixels, a file each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ImageProposals, imageProposals, type WorkingSize } from '@cim/model/infer/image-proposals';
import { type ProposalOptions, proposeMasks, type RegionFinder } from '@cim/model/proposals/proposals';
import type { HostImage } from '@cim/model/train/sample';
import type { Device } from '@cim/runtime';
import type { LabelledImage } from '../datasets/dataset.ts';
import { type ProposalOrigin, readProposals, writeProposals } from './files.ts';
import type { ProposalSource } from './source.ts';

/** Proposals on the disk, by image id. */
export class ProposalFiles implements ProposalSource {
  readonly #folder: string;
  readonly #options: ProposalOptions;
  readonly #warn: (message: string) => void;

  /** @param warn told of images without any proposal. */
  constructor(folder: string, options: ProposalOptions, { warn }: { warn(message: string): void }) {
    this.#folder = folder;
    this.#options = options;
    this.#warn = warn;
  }

  pathOf({ id }: Pick<LabelledImage, 'id'>): string {
    return join(this.#folder, `${id}.safetensors`);
  }

  /** Null when the image has none: it is of one colour, or could not be read when proposals were made. @throws DataError when the file was made of something else. */
  async load(entry: LabelledImage, size: WorkingSize): Promise<ImageProposals | null> {
    const path = this.pathOf(entry);
    const expected = { width: size.width, height: size.height, ...this.#originOf(entry) };
    const found = existsSync(path) ? await readProposals(path, expected) : null;
    if (found && found.count > 0) return imageProposals(found, size);
    this.#warn(`${entry.fileName} has no proposals: it is left out.`);
    return null;
  }

  /** Makes the file of an image. @param regions where the work goes that needs no GPU. */
  async make(device: Device, entry: LabelledImage, image: HostImage, regions: RegionFinder): Promise<void> {
    const proposals = await proposeMasks(device, image, this.#options, regions);
    await writeProposals(this.pathOf(entry), proposals, this.#originOf(entry));
  }

  #originOf({ fileName }: LabelledImage): ProposalOrigin {
    return { image: fileName, options: this.#options };
  }
}
