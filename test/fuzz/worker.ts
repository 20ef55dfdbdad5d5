/** Reads damaged files in a process of its own: hangs, crashes and memory show from outside. */
import { cuts, type Damaged, mutants, readDamaged } from './mutate.ts';
import { formats, scratch } from './readers.ts';

/** What became of the files of one format. */
export interface FuzzOutcome {
  readonly format: string;
  readonly files: number;
  /** Files that were refused with a typed error. */
  readonly refused: number;
  /** Any other exception or a long time, and which file it was. */
  readonly failure: string | null;
  /** Heap and buffers, at most. */
  readonly peakBytes: number;
}

const [folder, countText] = process.argv.slice(2);
const count = Number(countText);

async function fuzz(format: string): Promise<FuzzOutcome> {
  const { files, read } = formats[format];
  let number = 0;
  let peakBytes = 0;
  function* watched(damaged: Iterable<Damaged>): Generator<Damaged> {
    for (const file of damaged) {
      process.send!(`${format}, file ${number}, ${file[0]}`);
      yield file;
      number++;
      const { heapUsed, external } = process.memoryUsage();
      peakBytes = Math.max(peakBytes, heapUsed + external);
    }
  }
  let refused = 0;
  let failure: string | null = null;
  try {
    for (const whole of files) await read(whole, scratch(folder));
    for (const damaged of [mutants(files, count), cuts(files)]) {
      refused += await readDamaged(watched(damaged), (bytes) => read(bytes, scratch(folder)));
    }
  } catch (error) {
    failure = (error as Error).message;
  }
  return { format, files: number, refused, failure, peakBytes };
}

for (const format of Object.keys(formats)) process.send!(await fuzz(format));
process.disconnect();
