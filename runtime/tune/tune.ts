/** Tries the candidates of an operation: first whether they are right, then, by turns, how long they take. */
import type { Operation } from '@cim/kernels/operation';
import type { Plan } from '@cim/kernels/plan';
import type { Device } from '../device.ts';
import { ReportedError } from '../errors.ts';
import { runPlan } from '../plan.ts';
import type { Tensor } from '../tensor.ts';
import { Checker, noise, POISON } from './check.ts';
import { planHash, type TunedEntry, type Verdict } from './entry.ts';
import { quartiles } from './quartiles.ts';
import { sample } from './timing.ts';

/** A candidate whose failure took the device with it; the others need a new one. */
export class CandidateError extends ReportedError {
  /** Its name. */
  readonly candidate: string;
  /** Of its WGSL. */
  readonly hash: string;
  /** Carries the message of `cause`. */
  constructor(candidate: string, hash: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), '', { cause });
    this.candidate = candidate;
    this.hash = hash;
  }
}

/** What comes next: a candidate is compiled, run and compared, or those that are right are timed. */
export type Trial = { readonly candidate: string; readonly hash: string } | 'timing';

/** How {@link tuneOperation} goes on from earlier results. */
export interface TuneOptions {
  /** Earlier verdicts: what was wrong or failed is not tried again while its source is the same. */
  readonly known?: Readonly<Record<string, Verdict>>;
  /** Told of every trial as it begins. */
  readonly onTrial?: (trial: Trial) => void;
}

/** Runs are repeated within a sample until it takes this many seconds. */
const SAMPLE_SECONDS = 0.005;
const MAX_RUNS = 64;
/** Samples of a candidate at least and at most, and the seconds after which there are no more than the least. */
const SAMPLES = { least: 5, most: 9, seconds: 1 };
/** Given up: after one sample, and after the least number. */
const SLOWER = { first: 2, later: 1.2 };
/**
 * How far a winner must be ahead of the heuristic's choice in three rounds of four: noise makes winners of equals, and
 * kernels that differ for no gain are compiled for nothing.
 */
const AHEAD = 0.95;

/**
 * Tries the candidates of an operation on the device: each must give the sums of a f64 reference, then those that do
 * are timed by turns.
 * @returns verdicts on all candidates and the name of the fastest; `Variants.adopt` has it run.
 * @throws CandidateError when a candidate breaks the device.
 */
export async function tuneOperation(
  device: Device,
  operation: Operation,
  { known = {}, onTrial }: TuneOptions = {},
): Promise<TunedEntry> {
  const { family, shape, plain } = operation;
  const verdicts: Record<string, Verdict> = {};
  const racers: Racer[] = [];
  const inputs: Record<string, Float32Array> = {};
  for (const [name, size] of Object.entries(operation.operands)) {
    if (name !== operation.output) inputs[name] = noise(size, Object.keys(inputs).length + 1);
  }
  const checker = new Checker(operation, inputs, device.target);
  const operands = uploadOperands(device, operation, inputs);
  const candidates = [...operation.candidates(device.target)];
  try {
    for (const candidate of candidates) {
      const { name } = candidate;
      const plan = candidate.plan(plain);
      const hash = planHash(plan);
      if (known[name]?.hash === hash && settled(known[name])) {
        verdicts[name] = known[name];
        continue;
      }
      onTrial?.({ candidate: name, hash });
      const run = (): void => device.scope(() => runPlan(device, plan, bound(plan, operands, operation)));
      const bad = await attempt(device, { name, hash, run }, checker, operands[operation.output]);
      if (bad) verdicts[name] = bad;
      else racers.push({ name, hash, run, runs: 1, seconds: [] });
    }
    onTrial?.('timing');
    const { winner, times } = await race(device, racers);
    return { family, shape, heuristic: candidates[0].name, winner, candidates: { ...verdicts, ...times } };
  } finally {
    for (const tensor of Object.values(operands)) tensor.dispose();
  }
}

/** Whether the verdict will be the same next time. */
export const settled = ({ status }: Verdict): boolean =>
  status === 'wrong' || status === 'failed' || status === 'timeout';

function uploadOperands(
  device: Device,
  { operands, output }: Operation,
  inputs: Readonly<Record<string, Float32Array>>,
): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  try {
    for (const [name, size] of Object.entries(operands)) {
      tensors[name] = device.keep(name === output ? device.empty([size]) : device.tensor(inputs[name]));
    }
    return tensors;
  } catch (error) {
    for (const tensor of Object.values(tensors)) tensor.dispose();
    throw error;
  }
}

/** A first factor stands for operands that only epilogues read. */
function bound(plan: Plan, operands: Record<string, Tensor>, { factors }: Operation): Record<string, Tensor> {
  const names = plan.steps.flatMap(({ tensors }) => Object.values(tensors));
  return { ...Object.fromEntries(names.map((name) => [name, operands[factors[0]]])), ...operands };
}

interface Runnable {
  readonly name: string;
  readonly hash: string;
  readonly run: () => void;
}

async function attempt(
  device: Device,
  { name, hash, run }: Runnable,
  checker: Checker,
  output: Tensor,
): Promise<Verdict | undefined> {
  device.write(output, new Float32Array(output.size).fill(POISON));
  try {
    run();
  } catch (error) {
    // Nothing reached the GPU.
    return { status: 'failed', hash, message: (error as Error).message };
  }
  let result: Float32Array;
  try {
    result = (await output.read()) as Float32Array;
  } catch (cause) {
    throw new CandidateError(name, hash, cause);
  }
  const message = checker.fault(result);
  return message === undefined ? undefined : { status: 'wrong', hash, message };
}

interface Racer extends Runnable {
  runs: number;
  readonly seconds: number[];
}

const median = ({ seconds }: Racer): number => quartiles(seconds).median;

/**
 * By turns, so that whatever slows the machine for a while slows all; those clearly behind leave early, the first, which
 * the others must beat, stays.
 */
async function race(
  device: Device,
  racers: readonly Racer[],
): Promise<{ winner: string | null; times: Record<string, Verdict> }> {
  const times: Record<string, Verdict> = {};
  let best = Infinity;
  for (const racer of racers) {
    let seconds = await sample(device, racer.run, 1);
    // Once more: it may have been the machine.
    if (seconds > SLOWER.first * best) seconds = Math.min(seconds, await sample(device, racer.run, 1));
    best = Math.min(best, seconds);
    racer.seconds.push(seconds);
    racer.runs = Math.max(1, Math.min(MAX_RUNS, Math.ceil(SAMPLE_SECONDS / seconds)));
    times[racer.name] = { status: 'slow', hash: racer.hash, seconds };
  }
  let running = racers.filter((racer) => racer === racers[0] || racer.seconds[0] <= SLOWER.first * best);
  if (running.length > 1) for (const { seconds } of running) seconds.pop();
  const begin = performance.now();
  for (let round = 1; round <= SAMPLES.most && running.length > 1; round++) {
    for (const racer of running) racer.seconds.push(await sample(device, racer.run, racer.runs));
    if (round < SAMPLES.least) continue;
    for (const racer of running) times[racer.name] = timed(racer);
    const limit = SLOWER.later * Math.min(...running.map(median));
    const ahead = running.filter((racer) => median(racer) <= limit);
    const enough = performance.now() - begin > 1000 * SAMPLES.seconds;
    if (enough || (ahead.length === 1 && round > SAMPLES.least)) break;
    running = running.filter((racer) => racer === racers[0] || ahead.includes(racer));
  }
  for (const racer of running) times[racer.name] = timed(racer);
  return { winner: fastest(running)?.name ?? null, times };
}

const timed = (racer: Racer): Verdict => ({ status: 'timed', hash: racer.hash, seconds: median(racer) });

/** Of those that ran in all rounds; the first, unless others are well {@link AHEAD} of it. */
function fastest(racers: readonly Racer[]): Racer | undefined {
  const [first, ...others] = racers;
  const ahead = others.filter(
    ({ seconds }) => quartiles(seconds.map((own, round) => own / first.seconds[round])).upper < AHEAD,
  );
  return ahead.reduce((best, racer) => (median(racer) < median(best) ? racer : best), first);
}
