import type { ImageProposals, WorkingSize } from '@cim/model/infer/image-proposals';
import type { LabelledImage } from '../datasets/dataset.ts';
import type { ProposalSource } from './source.ts';

/** Keeps the proposals of the images that a source was asked for while `limit` bytes last, the least recently used dropped first. */
export class CachedProposals implements ProposalSource {
  readonly source: ProposalSource;
  readonly #limit: number;
  readonly #kept = new Map<string, ImageProposals>();
  #bytes = 0;

  constructor(source: ProposalSource, limit = 2 ** 30) {
    this.source = source;
    this.#limit = limit;
  }

  async load(entry: LabelledImage, size: WorkingSize): Promise<ImageProposals | null> {
    const key = `${entry.file} ${size.width}×${size.height}`;
    let found = this.#kept.get(key) ?? null;
    if (found) this.#kept.delete(key);
    else {
      found = await this.source.load(entry, size);
      if (!found || this.#kept.has(key)) return found;
      this.#bytes += bytesOf(found);
    }
    // The last entry is the most recently used.
    this.#kept.set(key, found);
    for (const [oldest, old] of this.#kept) {
      if (this.#bytes <= this.#limit) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytesOf(old);
    }
    return found;
  }
}

const bytesOf = ({ network: { masks, regionMasks, overlaps } }: ImageProposals): number =>
  masks.words.byteLength +
  regionMasks.byteLength +
  (overlaps ? overlaps.iou.byteLength + overlaps.containment.byteLength : 0);
