import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { OutputError, reasonOf } from '../errors.ts';
import type { CurvePoint } from './summary.ts';

/** What a training tells of its steps as a file of one JSON object a line, readable while it grows. */
export class TrainingLog<P extends { readonly step: number } = CurvePoint> {
  readonly points: P[];
  readonly #path: string;
  readonly #file: number;

  /** Keeps what an earlier run logged of the steps before `start`. @throws OutputError when it cannot be written. */
  constructor(path: string, start: number) {
    this.points = start > 0 ? readPoints<P>(path).filter(({ step }) => step < start) : [];
    this.#path = path;
    this.#file = writing(path, () => openSync(path, 'w'));
    this.#write(this.points);
  }

  /** @throws OutputError when the disk is full. */
  add(point: P): void {
    this.points.push(point);
    this.#write([point]);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(points: readonly P[]): void {
    if (points.length > 0) writing(this.#path, () => writeSync(this.#file, points.map(line).join('')));
  }
}

/** @throws OutputError when a file that grows with a training cannot be written. */
export function writing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const remedy = 'Free space or choose another output folder, then resume.';
    throw new OutputError(`Cannot write ${path}: ${reasonOf(cause)}.`, remedy, { cause });
  }
}

const line = (point: object): string => `${JSON.stringify(point)}\n`;

/** The points of a log. A last line cut off by a kill is left out. */
function readPoints<P>(path: string): P[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text.endsWith('}'))
    .map((text) => JSON.parse(text) as P);
}
