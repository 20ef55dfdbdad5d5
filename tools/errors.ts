/** What goes wrong outside the GPU: files, images, settings. Each message names the file and quotes the value. */
import { ReportedError } from '@cim/runtime/errors';

/** An annotation file, proposal file or image list that does not say what it should. */
export class DataError extends ReportedError {}
/** An image that cannot be decoded. */
export class ImageError extends ReportedError {}
/** A setting that is missing, unknown or out of range. */
export class ConfigError extends ReportedError {}
/** A checkpoint or weight file that is damaged, or does not fit the model. */
export class CheckpointError extends ReportedError {}
/** A file that cannot be fetched, or is not the published one. */
export class DownloadError extends ReportedError {}
/** A result that cannot be written. */
export class OutputError extends ReportedError {}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EISDIR: 'it is a folder',
  EEXIST: 'a file is in its place',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the file system allows',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'its name is too long',
};

/** An error as the end of a sentence, system errors in words: "the disk is full (ENOSPC)". */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && code in REASONS) return `${REASONS[code]} (${code})`;
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}

/** The first five names and how many more there are: "a, b, c, d, e and 7 more". */
export function firstNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
