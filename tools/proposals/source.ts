/** Where the stages of a run take an image's proposals from. */
import type { ImageProposals, WorkingSize } from '@cim/model/infer/image-proposals';
import type { LabelledImage } from '../datasets/dataset.ts';

export interface ProposalSource {
  /** The proposals of an image, or null when it has none: that is reported, once. @throws DataError when they are of another image. */
  load(entry: LabelledImage, size: WorkingSize): Promise<ImageProposals | null>;
}
