/** Who is compared. */
import { readFileSync } from 'node:fs';
import type { Entrant } from './contender.ts';
import { findPython } from './python.ts';

const peersFolder = new URL('../peers/', import.meta.url);

const { devDependencies } = JSON.parse(readFileSync(new URL('package.json', peersFolder), 'utf8')) as {
  devDependencies: Readonly<Record<string, string>>;
};

export const OURS: Entrant = { id: 'cim', title: 'cim', file: new URL('cim.ts', peersFolder) };

/** Our own process once more: what the adapter can do at most, in the same rounds as the items. */
export const PEAK: Entrant = { ...OURS, id: 'peak', title: 'multiply-adds' };

const peer = (id: string, title: string, dependency: string): Entrant => ({
  id,
  title,
  version: devDependencies[dependency],
  file: new URL(`${id}.ts`, peersFolder),
});

/** Those that run on WebGPU, as we do: the ones to be faster than. */
export const PEERS: readonly Entrant[] = [
  peer('onnxruntime', 'ONNX Runtime', 'onnxruntime-node'),
  peer('tfjs', 'TensorFlow.js', '@tensorflow/tfjs'),
  peer('jax', 'jax-js', '@jax-js/jax'),
];

/** Native code on the CPU, for scale; none where no Python has it. */
export function natives(): Entrant[] {
  const python = findPython(['torch']);
  if (python === null) return [];
  return [{ id: 'torch', title: 'PyTorch CPU', file: new URL('torch_contestant.py', peersFolder), python }];
}
