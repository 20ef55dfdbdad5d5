/** A library under measurement, in a process of its own: it may bring its own Dawn, and it may crash. */
import type { DriverChoice } from '@cim/runtime/platform/driver';
import type { OwnProblem, Problem } from '../problem.ts';

export interface Contestant<Question = Problem> {
  /** Loads the library and opens the adapter that it runs on. */
  open(driver: DriverChoice): Promise<void>;
  /** Brings the operands to the device; null: the library has no such operation. */
  prepare(problem: Question): Promise<Work | null>;
}

export interface Work {
  /** What the library makes of a problem before it can run, if there is such a step; counts as part of the first run. */
  build?(): Promise<void>;
  /** Computes once, in the queue if the library has one. What the run before computed may go. */
  run(): void | Promise<void>;
  /** Waits until all runs are computed. */
  wait(): Promise<void>;
  /** What the last run computed, row-major, see resultShape. */
  result(): Promise<ArrayLike<number>>;
  dispose(): void | Promise<void>;
  /** Of one run, where the question leaves it open. */
  readonly flops?: number;
}

/** What the process is asked, one request at a time, and its replies. */
export type Request =
  | { readonly type: 'open'; readonly driver: DriverChoice }
  | { readonly type: 'prepare'; readonly problem: Problem | OwnProblem; readonly places: readonly number[] }
  | { readonly type: 'sample'; readonly runs: number }
  | { readonly type: 'release' };

export interface Prepared {
  /** Seconds from operands on the device to the end of the first run. */
  readonly first: number;
  /** The result at the places asked for. */
  readonly values: readonly number[];
  readonly flops?: number;
}

/** One run, on average, seconds. */
export interface Sample {
  readonly wall: number;
  /** Of all threads. */
  readonly cpu: number;
}

export type Reply = { readonly value: unknown } | { readonly error: string };

/** Answers the process that started this one, until it goes. */
export function serve<Question>(contestant: Contestant<Question>): void {
  let work: Work | null = null;
  const answer = async (request: Request): Promise<unknown> => {
    switch (request.type) {
      case 'open':
        return contestant.open(request.driver);
      case 'prepare': {
        work = await contestant.prepare(request.problem as Question);
        if (!work) return null;
        const begin = performance.now();
        await work.build?.();
        await work.run();
        await work.wait();
        const first = (performance.now() - begin) / 1000;
        const result = await work.result();
        const values = request.places.map((place) => result[place]);
        return { first, values, flops: work.flops } satisfies Prepared;
      }
      case 'sample':
        return sample(work!, request.runs);
      case 'release':
        await work?.dispose();
        work = null;
    }
  };
  process.on('message', (request: Request) => {
    answer(request).then(
      (value) => process.send!({ value } satisfies Reply),
      (error) => process.send!({ error: error instanceof Error ? error.message : String(error) } satisfies Reply),
    );
  });
  process.on('disconnect', () => process.exit());
}

async function sample(work: Work, runs: number): Promise<Sample> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  for (let i = 0; i < runs; i++) await work.run();
  await work.wait();
  const wall = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { wall: wall / runs, cpu: (user + system) / 1e6 / runs };
}
