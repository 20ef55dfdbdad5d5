import { createWriteStream, existsSync, readFileSync, type WriteStream, writeFileSync } from 'node:fs';
import { OutputError, reasonOf } from '../errors.ts';
import type { CurvePoint } from './summary.ts';

/** The losses of a training as a file of one JSON object a line, readable while it grows. */
export class TrainingLog {
  readonly points: CurvePoint[];
  readonly #stream: WriteStream;
  #failure: Error | undefined;

  /** Keeps what an earlier run logged of the steps before `start`. @throws OutputError when it cannot be written. */
  constructor(path: string, start: number) {
    this.points = start > 0 ? readPoints(path).filter(({ step }) => step < start) : [];
    try {
      writeFileSync(path, this.points.map(line).join(''));
    } catch (cause) {
      throw new OutputError(`Cannot write ${path}: ${reasonOf(cause)}.`, 'Choose another output folder.', { cause });
    }
    this.#stream = createWriteStream(path, { flags: 'a' });
    this.#stream.on('error', (cause) => {
      this.#failure = new OutputError(`Cannot write ${path}: ${reasonOf(cause)}.`, 'Free space, then resume.', { cause });
    });
  }

  add(point: CurvePoint): void {
    if (this.#failure) throw this.#failure;
    this.points.push(point);
    this.#stream.write(line(point));
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.end(() => resolve()));
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
