/** What a training costs and how it is getting on, for people who watch it: beside the log, which repeats to the byte. */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Rle } from '@cim/model/evaluate/rle';
import type { StepReport } from '@cim/model/train/loop';
import type { MemoryUse } from '@cim/runtime';
import { encodeScalars, encodeStart, type ScalarEvent } from '../formats/event-file.ts';
import type { CurvePoint, Scores } from './summary.ts';
import { TrainingLog, writing } from './training-log.ts';

/** A line of `KIND.monitor.jsonl`: every step has one, previews lines of their own. */
export interface MonitorPoint {
  readonly step: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Trained on in this step. */
  readonly images?: number;
  /** GPU memory after the step, bytes. */
  readonly memory?: Pick<MemoryUse, 'live' | 'peak' | 'reserved'>;
  /** GPU time of the step's kernels by name, the longest first; of some steps only. */
  readonly kernels?: readonly { readonly name: string; readonly count: number; readonly ms: number }[];
  readonly preview?: Preview;
}

/** What the network of a checkpoint finds in some validation images. */
export interface Preview {
  /** Mask AP on these images, percent; absent where their objects are not annotated. */
  readonly scores?: Scores;
  readonly samples: readonly PreviewSample[];
}

export interface PreviewSample {
  /** Of the image. */
  readonly id: number;
  readonly name: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly detections: readonly { readonly class: number; readonly score: number; readonly mask: Rle }[];
}

/** Steps from one whose kernels are timed to the next; the first ones compile them. */
const PROFILE_EVERY = 100;
const PROFILE_FIRST = 4;

export const profilesAt = (step: number): boolean => step % PROFILE_EVERY === PROFILE_FIRST;

/** Writes the monitor's lines and TensorBoard's event file. */
export class TrainingMonitor {
  readonly #log: TrainingLog<MonitorPoint>;
  readonly #events: EventFile;

  /**
   * @param path of the lines; those of the steps before `start` stay.
   * @param folder of the event file, which is written anew, so that no step stands there twice.
   * @param curve the steps before `start`.
   * @throws OutputError when they cannot be written.
   */
  constructor(path: string, folder: string, start: number, curve: readonly CurvePoint[]) {
    this.#log = new TrainingLog(path, start);
    const curveAt = new Map(curve.map((point) => [point.step, point]));
    this.#events = new EventFile(folder);
    for (const point of this.#log.points) this.#events.add(point, point.preview ? undefined : curveAt.get(point.step));
  }

  step({ step, lr, losses, images, kernels }: StepReport, { live, peak, reserved }: MemoryUse): void {
    const point: MonitorPoint = {
      step,
      time: Date.now(),
      images,
      memory: { live, peak, reserved },
      ...(kernels
        ? { kernels: kernels.map(({ name, count, nanoseconds }) => ({ name, count, ms: nanoseconds / 1e6 })) }
        : {}),
    };
    this.#log.add(point);
    this.#events.add(point, { step, lr, losses });
  }

  preview(step: number, preview: Preview): void {
    const point = { step, time: Date.now(), preview };
    this.#log.add(point);
    this.#events.add(point);
  }

  close(): void {
    this.#log.close();
    this.#events.close();
  }
}

/** TensorBoard's file of a training, the only one in its folder. */
class EventFile {
  readonly #path: string;
  readonly #file: number;

  constructor(folder: string) {
    // Readers go on with the file whose name comes next, and forget what its first record says is void.
    const now = Date.now();
    const seconds = String(Math.floor(now / 1000)).padStart(10, '0');
    this.#path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${now % 1000}`);
    const before = writing(folder, () => {
      mkdirSync(folder, { recursive: true });
      return readdirSync(folder).filter((name) => name.includes('tfevents'));
    });
    this.#file = writing(this.#path, () => openSync(this.#path, 'w'));
    for (const name of before) if (join(folder, name) !== this.#path) rmSync(join(folder, name), { force: true });
    this.#write(encodeStart(now, 0));
  }

  /** @param curve the losses of the step, once for each step. */
  add({ step, time, memory, preview }: MonitorPoint, curve?: CurvePoint): void {
    const values: ScalarEvent['values'] = {
      ...(curve ? { learning_rate: curve.lr, ...tagged('loss', curve.losses) } : {}),
      ...(memory ? tagged('memory', { live: memory.live, peak: memory.peak }) : {}),
      ...(preview?.scores ? tagged('mask_AP', { ...preview.scores }) : {}),
    };
    if (Object.keys(values).length > 0) this.#write(encodeScalars({ time, step, values }));
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(bytes: Uint8Array): void {
    writing(this.#path, () => writeSync(this.#file, bytes));
  }
}

const tagged = (group: string, values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
