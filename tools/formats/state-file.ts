/** Named tensors of a file, whichever format it has. */
import { CheckpointError } from '../errors.ts';
import type { LazyArray } from './ndarray.ts';
import { arrayOfSafeTensor, openSafetensors } from './safetensors.ts';
import { readTorch, TorchTensor } from './torch.ts';

/** The entries under which trainings keep the state dict beside other things. */
const STATE_KEYS = ['model', 'state_dict'];

/**
 * The state dict of a `.safetensors` file, or of a `.pth` file that is one or has one under "model" or "state_dict".
 * Tensors are read when asked for.
 *
 * @throws CheckpointError when the file is damaged or holds no state dict.
 */
export async function openStateDict(path: string): Promise<ReadonlyMap<string, LazyArray>> {
  if (path.endsWith('.safetensors')) {
    const { tensors } = await openSafetensors(path);
    return new Map([...tensors].map(([name, tensor]) => [name, arrayOfSafeTensor(tensor)]));
  }
  return stateDictOf(await readTorch(path), path);
}

/** The state dict in a value that {@link readTorch} gave. */
export function stateDictOf(value: unknown, path: string): ReadonlyMap<string, LazyArray> {
  const found = isStateDict(value)
    ? value
    : STATE_KEYS.map((key) => (value instanceof Map ? (value as Map<unknown, unknown>).get(key) : null)).find(
        isStateDict,
      );
  if (found) return found;
  const keys = value instanceof Map ? `its entries are ${[...value.keys()].slice(0, 8).join(', ')}` : 'it is no dict';
  throw new CheckpointError(
    `${path} holds no state dict: ${keys}.`,
    `Give a file of named tensors, or one that has them under "${STATE_KEYS.join('" or "')}".`,
  );
}

const isStateDict = (value: unknown): value is Map<string, TorchTensor> =>
  value instanceof Map &&
  value.size > 0 &&
  [...value].every(([key, tensor]) => typeof key === 'string' && tensor instanceof TorchTensor);
