import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeDemoDataset } from '../demo-data/write.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import type { Reporter } from './context.ts';

/** Draws the demo data set unless it is there whole. Returns its folder and the seconds it took. */
export async function demoData(
  folder: string,
  seed: number,
  report: Pick<Reporter, 'progress'>,
): Promise<{ folder: string; seconds: number }> {
  const path = resolve(folder);
  // Written last: without it a data set may be half drawn.
  const stamp = join(path, `seed-${seed}.complete`);
  if (existsSync(stamp)) return { folder: path, seconds: 0 };
  const begin = performance.now();
  let bar: ReturnType<Reporter['progress']> | undefined;
  let shown = 0;
  await writeDemoDataset(path, {
    seed,
    onProgress: (done, total) => {
      bar ??= report.progress('Draw images', total);
      bar.advance(done - shown);
      shown = done;
    },
  }).finally(() => bar?.stop());
  await writeFileAtomic(stamp, '');
  return { folder: path, seconds: (performance.now() - begin) / 1000 };
}
