/** A library of one operation, the matrix product, with a failure for each number of columns. */
import { type Contestant, serve } from '@cim/tools/bench/peers/contestant';
import { referenceAt } from '@cim/tools/bench/problem';

/** Columns of C that bring a failure about. */
export const COLUMNS = { wrong: 2, refused: 3, crash: 4, hang: 5 };

const contestant: Contestant = {
  async open(driver) {
    if (driver === 'hardware') throw new Error('There is no such adapter.');
  },
  async prepare(problem) {
    if (problem.family !== 'gemm') return null;
    const { m, n } = problem.shape;
    if (n === COLUMNS.refused) throw new Error('Three columns are too many.');
    let result: number[] = [];
    return {
      async run() {
        if (n === COLUMNS.crash) {
          console.error('fatal error: out of columns\n    at nowhere');
          process.exit(3);
        }
        if (n === COLUMNS.hang) await new Promise(() => setInterval(() => {}, 1000));
        const places = Array.from({ length: m * n }, (_, i) => i);
        result = referenceAt(problem, places).map((value) => (n === COLUMNS.wrong ? value + 0.1 : value));
      },
      wait: async () => {},
      result: async () => result,
      dispose: () => {},
    };
  },
};

if (process.send) serve(contestant);
