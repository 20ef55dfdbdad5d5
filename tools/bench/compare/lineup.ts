/** Who is compared. */
import type { Entrant } from './contender.ts';

const entrant = (id: string, title: string, file: string): Entrant => ({
  id,
  title,
  file: new URL(`../peers/${file}`, import.meta.url),
});

export const OURS = entrant('cim', 'cim', 'cim.ts');
/** Those that run on WebGPU, as we do: the ones to be faster than. */
export const PEERS: readonly Entrant[] = [
  entrant('onnxruntime', 'ONNX Runtime', 'onnxruntime.ts'),
  entrant('tfjs', 'TensorFlow.js', 'tfjs.ts'),
  entrant('jax', 'jax-js', 'jax.ts'),
];
/** Native code on the CPU, for scale. */
export const NATIVE = entrant('torch', 'PyTorch, CPU', 'torch_contestant.py');
