/** How long the first result takes in a fresh process: with nothing compiled before, and once more with the driver's cache. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cacheFolder } from '@cim/runtime/platform/software/cache';
import { type CompareOptions, expectedOf, prepare } from './compare.ts';
import { Contender, type Entrant, type Surroundings } from './contender.ts';
import { type ComparableItem, isShared } from './items.ts';
import { deviation, TOLERANCE } from './rounds.ts';

/** Seconds. */
export interface Start {
  /** From the operands on the device to the first result: what is compiled, and a run. */
  readonly first: number;
  /** From the start of the process to the first result. */
  readonly total: number;
}

export type ColdOutcome =
  | { readonly status: 'measured' | 'wrong'; readonly cold: Start; readonly warm: Start }
  | { readonly status: 'failed'; readonly reason: string }
  | { readonly status: 'unsupported' };

export interface ColdItem extends Pick<ComparableItem, 'id' | 'title'> {
  /** By contestant. */
  readonly outcomes: Readonly<Record<string, ColdOutcome>>;
}

/** Where drivers keep what they compiled: Mesa, NVIDIA, and whoever follows the XDG base directories. */
const DRIVER_CACHES = ['MESA_SHADER_CACHE_DIR', '__GL_SHADER_DISK_CACHE_PATH', 'XDG_CACHE_HOME'];

/** The forward passes: of the gradients a first result is of no use. */
export const coldItems = (items: readonly ComparableItem[]): ComparableItem[] =>
  items.filter(({ id, problem }) => isShared(problem) && !/Gradient$/.test(id));

/** One entrant after the other, twice each, for one item after the other. */
export async function* coldStarts(
  entrants: readonly Entrant[],
  items: readonly ComparableItem[],
  surroundings: Surroundings,
  { prepareLimit }: Pick<CompareOptions, 'prepareLimit'>,
): AsyncGenerator<ColdItem> {
  for (const { id, title, problem } of items) {
    const outcomes: Record<string, ColdOutcome> = {};
    const expected = expectedOf(problem);
    for (const entrant of entrants) {
      const folder = mkdtempSync(path.join(tmpdir(), 'cim-cold-'));
      const caches = Object.fromEntries(DRIVER_CACHES.map((name) => [name, folder]));
      // What tuning found is kept elsewhere than what drivers compile, and stays.
      const environment = { ...surroundings.environment, CIM_CACHE: cacheFolder(), ...caches };
      const start = async (): Promise<(Start & { right: boolean }) | null> => {
        const contender = new Contender(entrant, { ...surroundings, environment });
        try {
          const begin = performance.now();
          const prepared = await prepare(contender, problem, prepareLimit);
          const total = (performance.now() - begin) / 1000;
          if (!prepared) return null;
          const right = !expected || deviation(prepared.values, expected) <= TOLERANCE;
          return { first: prepared.first, total, right };
        } finally {
          contender.end();
        }
      };
      try {
        const cold = await start();
        const warm = cold && (await start());
        outcomes[entrant.id] =
          cold && warm ? { status: cold.right ? 'measured' : 'wrong', cold, warm } : { status: 'unsupported' };
      } catch (error) {
        outcomes[entrant.id] = { status: 'failed', reason: (error as Error).message };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    yield { id, title, outcomes };
  }
}
