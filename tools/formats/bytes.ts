/** Binary content, wherever it is: what parsers of formats read. */
import { CheckpointError, DataError } from '../errors.ts';

/** Reports content that is not what it should be; `problem` is the middle of a sentence. */
export type Fail = (problem: string, cause?: unknown) => never;

/** Reports that `name` cannot be read, as a {@link DataError}. */
export const dataFailure =
  (name: string): Fail =>
  (problem, cause) => {
    throw new DataError(`Cannot read ${name}: ${problem}.`, 'Check the path, or make the file again.', { cause });
  };

/** Reports that weights cannot be read, as a {@link CheckpointError}. */
export const checkpointFailure =
  (path: string): Fail =>
  (problem, cause) => {
    const remedy = 'Check the path, or copy or download the file again.';
    throw new CheckpointError(`Cannot read ${path}: ${problem}.`, remedy, { cause });
  };

/** Bytes that come when asked for: of a file, or of a download. */
export interface ByteSource {
  readonly size: number;
  /** The bytes [position, position + length), in a buffer of their own. @throws ReportedError when they do not come. */
  read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}
