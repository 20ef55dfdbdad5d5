/** Scores of proposals, as the test of the network finds them: what detections and pseudo labels are selected from. */

/** An image in a file of scores. */
export interface ScoredImage {
  /** Path or name of the image file. */
  readonly file: string;
  /** Where the file of scores tells. */
  readonly id?: number;
  /** N, its proposals. */
  readonly count: number;
}

export interface ProposalScoreArrays {
  /** [N, C] without background; row n is proposal n. */
  readonly scores: Float32Array;
  /** [N, 4]: x1, y1, x2, y2 in pixels of the file, clipped to the image. */
  readonly boxes: Float32Array;
}

/** Scores of many images, of which only those that are asked for need be in memory. */
export interface ScoreSource {
  /** What errors call it. */
  readonly name: string;
  /** C. */
  readonly classes: number;
  readonly images: readonly ScoredImage[];
  /** The scores of image `index` of `images`. */
  read(index: number): Promise<ProposalScoreArrays>;
}
