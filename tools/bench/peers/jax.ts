/** jax-js on WebGPU, every computation under its jit. */
import { operandValues, type Problem, permuted, weightShape, xShape, yShape } from '../problem.ts';
import { type Contestant, serve } from './contestant.ts';
import { provideNavigatorGpu } from './navigator-gpu.ts';

type Jax = typeof import('@jax-js/jax');
type JaxArray = import('@jax-js/jax').JaxArray;

let jax: Jax;

const array = (name: string, shape: readonly number[]): JaxArray =>
  jax.numpy
    .array(
      operandValues(
        name,
        shape.reduce((a, b) => a * b, 1),
      ),
    )
    .reshape([...shape]);

/** Operands, and the compiled function of them. */
function compute(problem: Problem): { operands: JaxArray[]; run: (...operands: JaxArray[]) => JaxArray } | null {
  const { numpy: np, lax, jit, grad } = jax;
  if (problem.family === 'hrnet') return null;
  if (problem.family === 'gemm') {
    const { m, n, k, transposeA, transposeB } = problem.shape;
    const a = array('a', transposeA ? [k, m] : [m, k]);
    const values = operandValues('b', k * n);
    const b = np.array(transposeB ? permuted(values, [n, k], [1, 0]) : values).reshape([k, n]);
    return { operands: [a, b], run: jit((a, b) => np.matmul(transposeA ? np.transpose(a) : a, b)) };
  }
  const { family, shape: s } = problem;
  const padding = [s.padding, s.padding];
  const conv = (x: JaxArray, weight: JaxArray): JaxArray =>
    lax.convGeneralDilated(x, weight, [s.stride, s.stride], [padding, padding], {
      rhsDilation: [s.dilation, s.dilation],
    });
  const x = (): JaxArray => array('x', xShape(s));
  const weight = (): JaxArray => array('weight', weightShape(s));
  const dy = (): JaxArray => array('dy', yShape(s));
  if (family === 'conv.forward') return { operands: [x(), weight()], run: jit(conv) };
  if (family === 'conv.inputGradient') {
    return {
      operands: [x(), weight(), dy()],
      run: jit((x, weight, dy) => grad((x) => conv(x, weight).mul(dy).sum())(x)),
    };
  }
  return {
    operands: [x(), weight(), dy()],
    run: jit((x, weight, dy) => grad((weight) => conv(x, weight).mul(dy).sum())(weight)),
  };
}

const contestant: Contestant = {
  async open(driver) {
    await provideNavigatorGpu(driver);
    jax = await import('@jax-js/jax');
    if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js finds no WebGPU device.');
    jax.defaultDevice('webgpu');
  },
  async prepare(problem) {
    const computation = compute(problem);
    if (!computation) return null;
    const { operands, run } = computation;
    for (const operand of operands) await operand.blockUntilReady();
    let result: JaxArray | undefined;
    return {
      run() {
        result?.dispose();
        result = run(...operands.map(({ ref }) => ref));
      },
      wait: async () => void (await result!.blockUntilReady()),
      result: () => result!.ref.data(),
      dispose: () => [...operands, result].forEach((each) => each?.dispose()),
    };
  },
};

serve(contestant);
