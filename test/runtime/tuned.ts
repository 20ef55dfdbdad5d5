/** Results of tuning that tests look up. */
import { gemmOperation, type Operation, PORTABLE } from '@cim/kernels';
import { type Environment, planHash, type TunedEntry } from '@cim/runtime/tune/entry';

/** No adapter's. */
export const environment: Environment = {
  ...{ vendor: 'v', architecture: 'a', device: 'd', description: 'D' },
  driver: 'software',
  implementation: 'webgpu 1',
};

/** A class whose winner is one of its real candidates. */
export const entryOf = (operation: Operation, winner: string): TunedEntry => {
  const candidate = [...operation.candidates(PORTABLE)].find(({ name }) => name === winner)!;
  const hash = planHash(candidate.plan(operation.plain));
  const { family, shape } = operation;
  return { family, shape, heuristic: 'x', winner, candidates: { [winner]: { status: 'timed', hash, seconds: 1 } } };
};

export const product = gemmOperation({ m: 100, n: 64, k: 640 });
/** Its candidates: the heuristic's choice, and the next. */
export const [estimated, other] = [...product.candidates(PORTABLE)].map(({ name }) => name);
/** {@link other} won. */
export const won = entryOf(product, other);
