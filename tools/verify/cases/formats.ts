import { readMat } from '../../formats/mat.ts';
import { NdArray, ObjectArray } from '../../formats/ndarray.ts';
import { readNpy } from '../../formats/numpy.ts';
import { readPickle } from '../../formats/pickle.ts';
import { readTorch, TorchTensor } from '../../formats/torch.ts';
import type { FileKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';
import { readGolden } from '../read-golden.ts';

/** A value by its path of keys, `optimizer.state.0.momentum_buffer`; arrays are leaves. */
type Leaves = Map<string, unknown>;

const isArray = (value: unknown): value is NdArray | TorchTensor =>
  value instanceof NdArray || value instanceof TorchTensor;
const isNumberList = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');

function flatten(value: unknown, path: string, leaves: Leaves): Leaves {
  const children = value instanceof Map ? value : Array.isArray(value) && !isNumberList(value) ? value.entries() : null;
  if (children === null) return leaves.set(path, value);
  for (const [key, child] of children) flatten(child, path === '' ? String(key) : `${path}.${key}`, leaves);
  return leaves;
}

/** A leaf as numbers with a shape; null where it is neither a number list nor an array. */
async function numbersOf(leaf: unknown): Promise<{ shape: readonly number[]; numbers: number[] } | null> {
  if (isNumberList(leaf)) return { shape: [leaf.length], numbers: leaf };
  if (!isArray(leaf)) return null;
  const { dtype, shape } = leaf;
  return { shape, numbers: new NdArray(dtype, shape, await leaf.read()).toNumbers() };
}

/** The masks of a MATLAB file as one array [N, H, W], from either layout. */
function stackMasks(value: unknown): unknown {
  if (!(value instanceof ObjectArray)) return value;
  const cells = value.items.filter((cell) => cell instanceof NdArray);
  const data = Uint8Array.from(cells.flatMap((cell) => cell.toNumbers()));
  return new NdArray('uint8', [cells.length, ...cells[0].shape], data);
}

async function readValue(file: string): Promise<unknown> {
  if (file.endsWith('.pth')) return readTorch(file);
  const value = file.endsWith('.npy') ? await readNpy(file) : file.endsWith('.pkl') ? await readPickle(file) : null;
  if (value !== null) return value instanceof NdArray ? new Map([['matrix', value]]) : value;
  const variables = await readMat(file);
  return new Map([...variables].map(([name, v]) => (name === 'maskmat' ? ['masks', stackMasks(v)] : [name, v])));
}

/** The element type under a key, of all items where it holds a list. */
function dtypeOf(value: unknown): string {
  const items = Array.isArray(value) ? value : [value];
  return [
    ...new Set(items.map((item) => (item instanceof TorchTensor ? 'torch.' : '') + (item as NdArray)?.dtype)),
  ].join();
}

/** What a value says to an option of the expected file. */
function optionOf(value: ReadonlyMap<string, unknown>, name: string, expected: unknown): unknown {
  if (name === 'keys' || name === 'order') return [...value.keys()];
  if (name === 'dtypes') {
    return Object.fromEntries(Object.keys(expected as object).map((key) => [key, dtypeOf(value.get(key))]));
  }
  if (name === 'param_groups') return plain((value.get('optimizer') as Map<string, unknown>).get('param_groups'));
  const found = plain(value.get(name));
  return Array.isArray(found) && found.length === 0 ? 'empty list' : found;
}

/** Maps as objects, for comparison as JSON. */
const plain = (value: unknown): unknown =>
  value instanceof Map
    ? Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]))
    : Array.isArray(value)
      ? value.map(plain)
      : value;

/** Metadata that says where a file comes from. */
const PROVENANCE = ['case', 'source'];

async function check(file: string): Promise<Comparison[]> {
  const golden = await readGolden(`${file}.expected.safetensors`);
  const value = (await readValue(file)) as Map<string, unknown>;
  const leaves = flatten(value, '', new Map());
  const comparisons: Comparison[] = [];
  const arrays: string[] = [];
  for (const [name, leaf] of leaves) {
    const found = await numbersOf(leaf);
    if (!found) continue;
    const output = `out.${name}`;
    const expected = golden.tensors.get(output);
    // Lists of numbers that are no tensors of the expected file belong to its options.
    if (expected || isArray(leaf)) arrays.push(output);
    if (!expected) continue;
    const numbers = expected.dtype === 'F32' ? found.numbers.map(Math.fround) : found.numbers;
    comparisons.push(compare(output, numbers, expected.data as ArrayLike<number>, tolerances.exact));
    comparisons.push(compareExactly(`shape of ${output}`, found.shape, expected.shape));
  }
  comparisons.push(compareExactly('tensors', arrays.sort(), [...golden.tensors.keys()].sort()));
  for (const name of golden.options) {
    if (PROVENANCE.includes(name)) continue;
    const expected = golden.option<unknown>(name);
    comparisons.push(compareExactly(name, [optionOf(value, name, expected)], [expected]));
  }
  return comparisons;
}

/** Files of the original's formats; beside each, `NAME.expected.safetensors` says what it holds. */
export const formats: FileKind = {
  pattern: /^[^/]+\.(pkl|mat|npy|pth)$/,
  checkFile: check,
};
