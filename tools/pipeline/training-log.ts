import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { OutputError, reasonOf } from '../errors.ts';
import type { CurvePoint } from './summary.ts';

/** The losses of a training as a file of one JSON object a line, readable while it grows. */
export class TrainingLog {
  readonly points: CurvePoint[];
  readonly #path: string;
  readonly #file: number;

  /** Keeps what an earlier run logged of the steps before `start`. @throws OutputError when it cannot be written. */
  constructor(path: string, start: number) {
    this.points = start > 0 ? readPoints(path).filter(({ step }) => step < start) : [];
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, 'w'));
    this.#write(this.points);
  }

  /** @throws OutputError when the disk is full. */
  add(point: CurvePoint): void {
    this.points.push(point);
    this.#write([point]);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(points: readonly CurvePoint[]): void {
    if (points.length > 0) this.#attempt(() => writeSync(this.#file, points.map(line).join('')));
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const remedy = 'Free space or choose another output folder, then resume.';
      throw new OutputError(`Cannot write ${this.#path}: ${reasonOf(cause)}.`, remedy, { cause });
    }
  }
}

const line = (point: CurvePoint): string => `${JSON.stringify(point)}\n`;

/** The points of a log. A last line cut off by a kill is left out. */
function readPoints(path: string): CurvePoint[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text.endsWith('}'))
    .map((text) => JSON.parse(text) as CurvePoint);
}
