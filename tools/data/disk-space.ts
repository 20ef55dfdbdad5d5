import { statfs } from 'node:fs/promises';
import { OutputError } from '../errors.ts';

/** @throws OutputError when the disk of `folder` has less than `bytes` free. `what` needs them. */
export async function requireSpace(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free < bytes) throw spaceError(folder, bytes, free, what);
}

/** Bytes that may still be written to the disk of `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export const spaceError = (folder: string, bytes: number, free: number, what: string): OutputError =>
  new OutputError(
    `${what} needs ${gibibytes(bytes)} more, the disk of ${folder} has ${gibibytes(free)} free.`,
    'Free space, or choose a folder on another disk with --root.',
  );

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
