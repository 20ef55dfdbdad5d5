import type { Progress } from '../cli/progress.ts';
import type { Reporter } from './context.ts';

/** Work that goes on beside other work. */
export interface SideWork<T> {
  /** Shows its progress, and waits for its result. */
  finish(): Promise<T>;
  /** Tells it to stop, and waits until it has. */
  stop(): Promise<void>;
}

/** Begins `work`; its bars stay hidden until it is waited for, since two at once would write over each other. */
export function beside<T>(report: Reporter, work: (report: Reporter, signal: AbortSignal) => Promise<T>): SideWork<T> {
  const abort = new AbortController();
  const bars: HiddenProgress[] = [];
  let shown = false;
  const progress = (label: string, total: number): Progress => {
    if (shown) return report.progress(label, total);
    const bar = new HiddenProgress(() => report.progress(label, total));
    bars.push(bar);
    return bar;
  };
  const result = work({ ...report, progress }, abort.signal);
  // A failure surfaces when the result is asked for.
  const settled = result.then(
    () => {},
    () => {},
  );
  return {
    finish: () => {
      shown = true;
      for (const bar of bars) bar.show();
      return result;
    },
    stop: () => {
      abort.abort();
      return settled;
    },
  };
}

/** Counts until it is shown; what is done by then is shown at its end. */
class HiddenProgress implements Progress {
  readonly #open: () => Progress;
  #bar: Progress | undefined;
  #done = 0;
  #note: string | undefined;
  #stopped = false;

  constructor(open: () => Progress) {
    this.#open = open;
  }

  show(): void {
    this.#bar = this.#open();
    if (this.#done > 0) this.#bar.advance(this.#done, this.#note);
    if (this.#stopped) this.#bar.stop();
  }

  advance(steps = 1, note?: string): void {
    this.#done += steps;
    this.#note = note ?? this.#note;
    this.#bar?.advance(steps, note);
  }

  stop(): void {
    this.#stopped = true;
    this.#bar?.stop();
  }
}
