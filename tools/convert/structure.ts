/** Python's containers as JSON beside named tensors, so that a .safetensors file can become the same .pth file again. */
import { CheckpointError } from '../errors.ts';
import { isRecord } from '../formats/json.ts';
import { elementCount, isShape, type LazyArray, ObjectArray } from '../formats/ndarray.ts';
import { PickleObject, Tuple } from '../formats/pickle.ts';

/** A value whose arrays are known by name. */
export interface Structured {
  /** JSON: plain values as they are; containers as `{dict: [[key, value], …]}`, `{list: […]}`, `{tuple: […]}`; `{tensor: name}`. */
  readonly structure: unknown;
  readonly tensors: ReadonlyMap<string, LazyArray>;
}

const isArray = (value: unknown): value is LazyArray =>
  typeof value === 'object' && value !== null && 'dtype' in value && 'read' in value;

/** Takes a value apart. Arrays are named by the keys that lead to them, joined by dots. */
export function takeApart(value: unknown): Structured {
  const tensors = new Map<string, LazyArray>();
  const nameOf = (path: string): string => {
    let name = path || 'array';
    for (let n = 2; tensors.has(name) || name === '__metadata__'; n++) name = `${path}#${n}`;
    return name;
  };
  const walk = (item: unknown, path: string): unknown => {
    const below = (key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`);
    const walkAll = (items: readonly unknown[]): unknown[] => items.map((child, i) => walk(child, below(i)));
    const walkMap = (map: ReadonlyMap<unknown, unknown>): unknown[] =>
      [...map].map(([key, child]) => [walk(key, ''), walk(child, below(key))]);
    if (isArray(item)) {
      const name = nameOf(path);
      tensors.set(name, item);
      return { tensor: name };
    }
    if (item instanceof Map) return { dict: walkMap(item) };
    if (item instanceof Set) return { set: walkAll([...item]) };
    if (item instanceof ObjectArray) return { objects: walkAll(item.items), shape: item.shape };
    if (item instanceof PickleObject) {
      return { object: item.type, args: walkAll(item.args), state: walkMap(item.state) };
    }
    if (item instanceof Tuple) return { tuple: walkAll(item) };
    if (Array.isArray(item)) return { list: walkAll(item) };
    if (item instanceof Uint8Array) return { bytes: Buffer.from(item).toString('base64') };
    if (typeof item === 'bigint') return { int: String(item) };
    if (typeof item === 'number' && !Number.isFinite(item)) return { float: String(item) };
    if (isRecord(item)) return { dict: walkMap(new Map(Object.entries(item))) };
    return item;
  };
  return { structure: walk(value, ''), tensors };
}

/** Deeper nesting than any checkpoint's. */
const MAX_DEPTH = 200;

/** Puts a value together again. @throws CheckpointError when the structure is damaged. */
export function putTogether({ structure, tensors }: Structured, file: string): unknown {
  const fail = (what: unknown): never => {
    const text = JSON.stringify(what)?.slice(0, 80) ?? 'nothing';
    throw new CheckpointError(`The structure of ${file} holds ${text}.`, 'Convert the file again from its source.');
  };
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : fail(value));
  const walk = (node: unknown, depth: number): unknown => {
    if (depth > MAX_DEPTH) fail(`more than ${MAX_DEPTH} levels`);
    const walkAll = (items: unknown): unknown[] => list(items).map((item) => walk(item, depth + 1));
    const walkMap = (pairs: unknown): Map<unknown, unknown> =>
      new Map(list(pairs).map((pair) => walkAll(pair) as [unknown, unknown]));
    if (!isRecord(node)) return Array.isArray(node) ? fail(node) : node;
    if ('tensor' in node) return tensors.get(String(node.tensor)) ?? fail(node);
    if ('dict' in node) return walkMap(node.dict);
    if ('list' in node) return walkAll(node.list);
    if ('tuple' in node) return Tuple.from(walkAll(node.tuple));
    if ('set' in node) return new Set(walkAll(node.set));
    if ('objects' in node && isShape(node.shape) && elementCount(node.shape) === list(node.objects).length) {
      return new ObjectArray(node.shape, walkAll(node.objects));
    }
    if (typeof node.object === 'string') {
      return new PickleObject(node.object, walkAll(node.args), walkMap(node.state));
    }
    if (typeof node.bytes === 'string') return Uint8Array.from(Buffer.from(node.bytes, 'base64'));
    if (typeof node.int === 'string' && /^-?\d{1,400}$/.test(node.int)) return BigInt(node.int);
    if (typeof node.float === 'string') return Number(node.float);
    return fail(node);
  };
  return walk(structure, 0);
}
