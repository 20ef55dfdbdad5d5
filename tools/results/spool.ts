/** Scores on their way to a file: more than memory holds, of images whose number is not known before the last one. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OutputError, reasonOf } from '../errors.ts';
import type { ProposalScoreArrays, ScoredImage, ScoreSource } from './scores.ts';

/** Keeps scores in two temporary files. {@link ScoreSpool.close} removes them. */
export class ScoreSpool implements ScoreSource {
  readonly name: string;
  readonly classes: number;
  readonly images: ScoredImage[] = [];
  readonly #scores: FileHandle;
  readonly #boxes: FileHandle;
  readonly #files: readonly string[];
  /** Rows before each image, and of all. */
  readonly #starts = [0];

  /** @throws OutputError when the folder cannot be made or written to. */
  static async create(folder: string, classes: number): Promise<ScoreSpool> {
    const key = randomBytes(6).toString('hex');
    const files = ['scores', 'boxes'].map((part) => join(folder, `.${part}.${key}.tmp`));
    try {
      await mkdir(folder, { recursive: true });
      const [scores, boxes] = [await open(files[0], 'wx+'), await open(files[1], 'wx+')];
      return new ScoreSpool(folder, classes, scores, boxes, files);
    } catch (error) {
      throw failure(folder, error);
    }
  }

  private constructor(
    folder: string,
    classes: number,
    scores: FileHandle,
    boxes: FileHandle,
    files: readonly string[],
  ) {
    this.name = folder;
    this.classes = classes;
    this.#scores = scores;
    this.#boxes = boxes;
    this.#files = files;
  }

  /**
   * Adds the next image.
   *
   * @throws RangeError when the arrays do not fit; OutputError when the disk is full.
   */
  async add({ file, id }: Omit<ScoredImage, 'count'>, { scores, boxes }: ProposalScoreArrays): Promise<void> {
    const count = boxes.length / 4;
    if (scores.length !== count * this.classes) {
      throw new RangeError(`${scores.length} scores of ${count} proposals and ${this.classes} classes.`);
    }
    const start = this.#starts[this.images.length];
    try {
      await writeAt(this.#scores, scores, start * this.classes);
      await writeAt(this.#boxes, boxes, start * 4);
    } catch (error) {
      throw failure(this.name, error);
    }
    this.images.push({ file, id, count });
    this.#starts.push(start + count);
  }

  async read(index: number): Promise<ProposalScoreArrays> {
    const { count } = this.images[index];
    const start = this.#starts[index];
    return { scores: await this.scores(start, count), boxes: await this.boxes(start, count) };
  }

  /** ΣN. */
  get rows(): number {
    return this.#starts[this.images.length];
  }
  /** Scores of `count` rows from `first` on, image after image. */
  scores(first: number, count: number): Promise<Float32Array<ArrayBuffer>> {
    return readAt(this.#scores, first * this.classes, count * this.classes);
  }
  /** Boxes of rows. */
  boxes(first: number, count: number): Promise<Float32Array<ArrayBuffer>> {
    return readAt(this.#boxes, first * 4, count * 4);
  }

  async close(): Promise<void> {
    await Promise.all([this.#scores.close(), this.#boxes.close()]);
    await Promise.all(this.#files.map((file) => rm(file, { force: true })));
  }
}

const failure = (folder: string, cause: unknown): OutputError =>
  new OutputError(`Cannot write to ${folder}: ${reasonOf(cause)}.`, 'Free space or choose another folder.', { cause });

async function writeAt(file: FileHandle, data: Float32Array, first: number): Promise<void> {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, 4 * first + done)).bytesWritten;
  }
}

async function readAt(file: FileHandle, first: number, count: number): Promise<Float32Array<ArrayBuffer>> {
  const bytes = new Uint8Array(4 * count);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, 4 * first + done);
    if (bytesRead === 0) throw new RangeError(`Rows ${first} to ${first + count} were not written.`);
    done += bytesRead;
  }
  return new Float32Array(bytes.buffer);
}
