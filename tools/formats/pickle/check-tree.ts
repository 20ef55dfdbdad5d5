import type { Fail } from '../bytes.ts';
import { ObjectArray } from '../ndarray.ts';
import { Callable, isPending } from './globals.ts';
import { PickleObject } from './values.ts';

const MAX_DEPTH = 200;

interface Frame {
  readonly node: object;
  readonly rest: Iterator<unknown>;
  size: number;
  depth: number;
}

/**
 * Refuses values that no one could walk: containers inside themselves, nested too deeply, half built, or, through shared
 * parts, larger than `limit` when written out. Itself it walks every container once.
 */
export function checkTree(root: unknown, limit: number, fail: Fail): void {
  const known = new Map<object, { size: number; depth: number } | null>();
  const frames: Frame[] = [];
  const enter = (value: unknown): { size: number; depth: number } | null => {
    if (isPending(value) || value instanceof Callable) fail('it holds a half-built object');
    const rest = children(value);
    if (!rest) return { size: 1, depth: 0 };
    const node = value as object;
    const seen = known.get(node);
    if (seen) return seen;
    if (seen === null) fail('it holds a container that contains itself');
    known.set(node, null);
    frames.push({ node, rest, size: 1, depth: 0 });
    return null;
  };
  const add = (frame: Frame, { size, depth }: { size: number; depth: number }): void => {
    frame.size += size;
    frame.depth = Math.max(frame.depth, depth + 1);
    if (frame.size > limit) fail(`it holds more than ${limit} values`);
    if (frame.depth > MAX_DEPTH) fail(`it is nested more than ${MAX_DEPTH} deep`);
  };
  enter(root);
  while (frames.length > 0) {
    const frame = frames[frames.length - 1];
    const { value, done } = frame.rest.next();
    if (!done) {
      const finished = enter(value);
      if (finished) add(frame, finished);
      continue;
    }
    frames.pop();
    known.set(frame.node, frame);
    if (frames.length > 0) add(frames[frames.length - 1], frame);
  }
}

function children(value: unknown): Iterator<unknown> | null {
  if (Array.isArray(value) || value instanceof Set) return value.values();
  if (value instanceof Map) return mapChildren(value);
  if (value instanceof ObjectArray) return value.items.values();
  if (value instanceof PickleObject) return [...value.args, value.state].values();
  return null;
}

function* mapChildren(map: ReadonlyMap<unknown, unknown>): Generator<unknown> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
}
