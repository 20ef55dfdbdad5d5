/**
 * Dawn for Node looks for finished work at every turn of the event loop as long as a promise of the GPU is pending, which
 * keeps a core busy: half of the machine where two cores run the kernels as well. While something is awaited here, every
 * turn sleeps an eighth of the time waited so far, so a result comes that much later at most, and never more than
 * {@link LONGEST_NAP}.
 */
const LONGEST_NAP = 1;
/** Milliseconds that sleeping itself takes: below, turning is quicker. */
const SHORTEST_NAP = 0.05;
const SHARE = 1 / 8;

const neverNotified = new Int32Array(new SharedArrayBuffer(4));
let awaited = 0;
let turning = false;
/** When the last promise began or was settled. */
let since = 0;

/** The same promise; until it is settled, waiting for it costs next to no processor time. */
export function patiently<T>(promise: Promise<T>): Promise<T> {
  awaited++;
  since = performance.now();
  if (!turning) {
    turning = true;
    setImmediate(turn);
  }
  return promise.finally(() => {
    awaited--;
    since = performance.now();
  });
}

function turn(): void {
  turning = awaited > 0;
  if (!turning) return;
  const nap = Math.min(LONGEST_NAP, SHARE * (performance.now() - since));
  if (nap >= SHORTEST_NAP) Atomics.wait(neverNotified, 0, 0, nap);
  setImmediate(turn);
}
