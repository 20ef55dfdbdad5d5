/** Safetensors files. */
import { writeFileAtomic } from './atomic.ts';
import { checkpointFailure } from './bytes.ts';
import { fileSource } from './file-bytes.ts';
import { bytesOf, bytesPerElement, isArrayOf } from './ndarray.ts';
import {
  byteLength,
  type LazySafeTensor,
  parseSafetensors,
  type SafeTensor,
  type SafetensorDtype,
  type Safetensors,
  TYPES,
} from './safetensors-content.ts';

export {
  arrayOfSafeTensor,
  type LazySafeTensor,
  type SafeTensor,
  type SafetensorDtype,
  type Safetensors,
  safeTensorOf,
} from './safetensors-content.ts';

/** Bytes of a lazy tensor that are in memory at once while it is written. */
const WRITE_PIECE = 2 ** 26;

/**
 * Reads and checks a whole file, see {@link openSafetensors}. Every tensor gets a buffer of its own, so its elements are
 * aligned.
 *
 * @throws CheckpointError naming the file and what is wrong with it.
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const { metadata, tensors } = await openSafetensors(path);
  const whole = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, read }] of tensors) {
    whole.set(name, { dtype, shape, data: await read() } as SafeTensor);
  }
  return { metadata, tensors: whole };
}

/**
 * Reads what a file says about its tensors, see {@link parseSafetensors}.
 *
 * @throws CheckpointError naming the file and what is wrong with it; also from `read`, when the file was replaced since.
 */
export async function openSafetensors(path: string): Promise<Safetensors<LazySafeTensor>> {
  const fail = checkpointFailure(path);
  return parseSafetensors(await fileSource(path, fail), fail);
}

/**
 * Writes tensors and text metadata; the file appears under `path` only when it is complete. Lazy tensors are read one
 * after the other, 64 MiB at a time.
 *
 * @throws OutputError when it cannot be written; RangeError when a shape does not fit its data.
 */
export async function writeSafetensors(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: Iterable<readonly [string, SafeTensor | LazySafeTensor]>,
): Promise<void> {
  const width = ({ dtype }: { dtype: SafetensorDtype }): number => bytesPerElement(TYPES[dtype]);
  const stored = [...tensors].sort(([, a], [, b]) => width(b) - width(a));
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  let offset = 0;
  for (const [name, tensor] of stored) {
    const { dtype, shape } = tensor;
    if ('data' in tensor) checkData(name, tensor, tensor.data, byteLength(dtype, shape));
    header.push([name, { dtype, shape, data_offsets: [offset, (offset += byteLength(dtype, shape))] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(json, 8);
  await writeFileAtomic(path, content(start, stored));
}

async function* content(
  start: Uint8Array,
  tensors: readonly (readonly [string, SafeTensor | LazySafeTensor])[],
): AsyncIterable<Uint8Array> {
  yield start;
  for (const [name, tensor] of tensors) {
    if ('data' in tensor) {
      yield bytesOf(tensor.data);
      continue;
    }
    const width = bytesPerElement(TYPES[tensor.dtype]);
    const size = byteLength(tensor.dtype, tensor.shape) / width;
    for (let first = 0; first < size; first += WRITE_PIECE / width) {
      const count = Math.min(WRITE_PIECE / width, size - first);
      const data = await tensor.read(first, count);
      checkData(name, tensor, data, count * width);
      yield bytesOf(data);
    }
  }
}

function checkData(
  name: string,
  { dtype, shape }: SafeTensor | LazySafeTensor,
  data: SafeTensor['data'],
  bytes: number,
) {
  if (data.byteLength !== bytes || !isArrayOf(TYPES[dtype], data))
    throw new RangeError(`Tensor "${name}" of ${dtype} [${shape}] does not fit its ${data.byteLength} bytes of data.`);
}
