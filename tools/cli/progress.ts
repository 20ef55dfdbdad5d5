import { SingleBar } from 'cli-progress';

export interface Progress {
  /** Advances by `steps`; `note` stands at the end of the line (a loss, a score) until the next one. */
  advance(steps?: number, note?: string): void;
  /** Leaves the bar as it stands and ends its line. */
  stop(): void;
}

/** Without a terminal, a line at each of this many parts of the whole. */
const PLAIN_LINES = 10;

/**
 * Shows on stderr how far a long work is: a bar with percentage, rate and time left on a terminal, a few plain lines
 * in a log. Call {@link Progress.stop} at the end, also after a failure.
 */
export function progress(label: string, total: number): Progress {
  return process.stderr.isTTY ? bar(label, total) : lines(label, total);
}

function bar(label: string, total: number): Progress {
  const begin = performance.now();
  let done = 0;
  const line = new SingleBar({
    format: `${label} [{bar}] {percentage} % {value}/{total} {rate} {left} {note}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    stream: process.stderr,
    hideCursor: true,
    linewrap: null,
    gracefulExit: true,
  });
  line.start(total, 0, { rate: '', left: '', note: '' });
  return {
    advance(steps = 1, note) {
      done += steps;
      const pace = paceOf(begin, done, total);
      line.update(done, note === undefined ? pace : { ...pace, note });
    },
    stop: () => line.stop(),
  };
}

function lines(label: string, total: number): Progress {
  const begin = performance.now();
  let done = 0;
  let shown = 0;
  return {
    advance(steps = 1, note = '') {
      done += steps;
      const part = Math.floor((PLAIN_LINES * done) / total);
      if (part <= shown) return;
      shown = part;
      const { rate, left } = paceOf(begin, done, total);
      const percent = Math.floor((100 * done) / total);
      process.stderr.write(
        `${[`${label} ${percent} % ${done}/${total}`, rate, left, note].filter(Boolean).join(', ')}\n`,
      );
    },
    stop() {},
  };
}

/** Rate and time left (at the end: the time taken) from the pace so far, as text. */
function paceOf(begin: number, done: number, total: number): { rate: string; left: string } {
  const seconds = (performance.now() - begin) / 1000;
  const perSecond = done / seconds;
  const rate = perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(1 / perSecond).toFixed(1)} s each`;
  return { rate, left: done < total ? `${duration((total - done) / perSecond)} left` : duration(seconds) };
}

/** Seconds for a person: "8 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
