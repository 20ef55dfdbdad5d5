import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Operation } from '@cim/kernels/operation';
import type { DeviceOptions } from '../device.ts';
import { ReportedError } from '../errors.ts';
import type { TunedEntry, Verdict } from '../tune/entry.ts';
import type { Trial } from '../tune/tune.ts';
import type { TuneReply, TuneRequest, Tuner } from '../tune/tuner.ts';

const WORKER = '@cim/runtime/platform/tuning-worker';
/** For what no candidate is to blame: to start Node, open a device and make the operands; to time those that are right. */
const OTHER_SECONDS = 120;

/** What ended the wait for a reply. */
type Event = TuneReply | 'timeout' | 'exit';

/**
 * Tunes in a child process, whose driver may take for ever to compile a kernel, or crash: it is ended then, the candidate
 * noted, and a new process goes on with the others.
 */
export class TuningProcess implements Tuner {
  readonly #options: DeviceOptions;
  readonly #seconds: number;
  readonly #module: string;
  #child: TuningChild | undefined;

  /** @param module what the child runs. */
  constructor(options: DeviceOptions, seconds: number, module = import.meta.resolve(WORKER)) {
    this.#options = options;
    this.#seconds = seconds;
    this.#module = module;
  }

  async tune({ family, shape }: Operation, known: Readonly<Record<string, Verdict>> = {}): Promise<TunedEntry> {
    let verdicts = known;
    for (;;) {
      const child = (this.#child ??= new TuningChild(this.#module, this.#options));
      const request: TuneRequest = { operation: { family, shape }, known: verdicts };
      child.send(request);
      const outcome = await this.#follow(child);
      if ('entry' in outcome) return outcome.entry;
      this.#stop();
      verdicts = { ...verdicts, [outcome.candidate]: outcome.verdict };
    }
  }

  async close(): Promise<void> {
    this.#stop();
  }

  /** Until the operation is tuned or a candidate has ended it. */
  async #follow(child: TuningChild): Promise<{ entry: TunedEntry } | { candidate: string; verdict: Verdict }> {
    let trial: Trial | undefined;
    for (;;) {
      const event = await child.next(trial === undefined || trial === 'timing' ? OTHER_SECONDS : this.#seconds);
      if (event !== 'timeout' && event !== 'exit') {
        if ('trial' in event) {
          trial = event.trial;
          continue;
        }
        if ('entry' in event) return event;
        if ('error' in event) {
          this.#stop();
          throw new ReportedError(event.error.message, event.error.remedy);
        }
        const { candidate, hash, message } = event.broken;
        return { candidate, verdict: { status: 'failed', hash, message } };
      }
      if (trial === undefined || trial === 'timing') {
        this.#stop();
        const what = event === 'exit' ? 'ended by itself' : 'did not answer';
        throw new ReportedError(`The process that tunes kernels ${what}.`, 'Tune again, or use --tuning off.');
      }
      const { candidate, hash } = trial;
      const verdict: Verdict =
        event === 'exit'
          ? { status: 'failed', hash, message: 'the process ended' }
          : { status: 'timeout', hash, seconds: this.#seconds };
      return { candidate, verdict };
    }
  }

  #stop(): void {
    this.#child?.kill();
    this.#child = undefined;
  }
}

/** A child process and what it has said. */
class TuningChild {
  readonly #child: ChildProcess;
  readonly #events: Event[] = [];
  #wake = (): void => {};

  constructor(module: string, options: DeviceOptions) {
    // Sources, unlike built packages, need the loader that this process may have been given in another way.
    const execArgv = module.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
    this.#child = fork(fileURLToPath(module), [JSON.stringify(options)], {
      execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const happened = (event: Event): void => {
      this.#events.push(event);
      this.#wake();
    };
    this.#child.on('message', (reply) => happened(reply as TuneReply));
    this.#child.on('exit', () => happened('exit'));
    this.#child.on('error', () => happened('exit'));
    this.#child.unref();
    this.#child.channel?.unref();
  }

  send(request: TuneRequest): void {
    this.#child.send(request);
  }

  /** Keeps this process alive while it waits, and only then. */
  async next(seconds: number): Promise<Event> {
    if (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000 * seconds);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#events.shift() ?? 'timeout';
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
