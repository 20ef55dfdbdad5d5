/** What a .pth file may name beside the harmless names of every pickle. */
import { bytesPerElement, type DType, elementCount, isCount, isDType, isShape } from '../ndarray.ts';
import { Callable, GLOBALS, type Globals, type Reject } from '../pickle/globals.ts';
import { PickleObject, Tuple } from '../pickle/values.ts';
import { lastPlace, TorchStorage, TorchTensor } from './tensor.ts';

/** `torch.FloatStorage` and its like, by element type; UntypedStorage has none. */
export class StorageType {
  readonly name: string;
  readonly dtype: DType | null;
  constructor(name: string, dtype: DType | null) {
    this.name = name;
    this.dtype = dtype;
  }
}

/** `torch.float32` as a value. */
class TorchDtype {
  readonly dtype: DType;
  constructor(dtype: DType) {
    this.dtype = dtype;
  }
  toString(): string {
    return `torch.${this.dtype}`;
  }
}

const STORAGES: Readonly<Record<string, DType | null>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  UntypedStorage: null,
};

/** The storage class of an element type, as torch.save names it. @throws RangeError for types without one. */
export function storageName(dtype: DType): string {
  const name = Object.keys(STORAGES).find((key) => STORAGES[key] === dtype);
  if (name === undefined) throw new RangeError(`PyTorch has no storage of ${dtype}.`);
  return name;
}

/** Elements that an expanded view may have beyond those of its storage. */
const FREE_ELEMENTS = 2 ** 16;

function makeTensor(
  storage: unknown,
  dtype: DType | null,
  [offset, shape, strides]: readonly unknown[],
  reject: Reject,
): TorchTensor {
  if (!(storage instanceof TorchStorage)) return reject('a tensor has no storage');
  const type = dtype ?? storage.dtype ?? reject('a tensor has no dtype');
  if (!isCount(offset) || !isShape(shape) || !Array.isArray(strides)) {
    return reject(`a tensor has the impossible shape ${String(shape)}`);
  }
  if (strides.length !== shape.length || !strides.every(isCount)) {
    return reject(`a tensor [${shape}] has the impossible strides ${String(strides)}`);
  }
  const available = Math.floor(storage.bytes / bytesPerElement(type));
  const count = elementCount(shape);
  if (count > 0 && !(offset + lastPlace(shape, strides as number[]) < available)) {
    return reject(`a tensor [${shape}] reaches beyond its storage of ${available} elements`);
  }
  if (count > available + FREE_ELEMENTS) return reject(`a tensor [${shape}] is a view of only ${available} elements`);
  return new TorchTensor(storage, type, offset, [...shape], [...(strides as number[])]);
}

function makeParameter([tensor]: readonly unknown[], reject: Reject): TorchTensor {
  return tensor instanceof TorchTensor ? tensor : reject('a parameter is made of something else than a tensor');
}

function table(): Map<string, unknown> {
  const globals = new Map(GLOBALS);
  const add = (module: string, name: string, call: Callable['call']): void => {
    globals.set(`${module}.${name}`, new Callable(`${module}.${name}`, call));
  };
  add('torch._utils', '_rebuild_tensor', ([storage, ...view], reject) => makeTensor(storage, null, view, reject));
  add('torch._utils', '_rebuild_tensor_v2', ([storage, ...view], reject) => makeTensor(storage, null, view, reject));
  add('torch._utils', '_rebuild_tensor_v3', (args, reject) => {
    const [storage, offset, shape, strides, , , dtype] = args;
    if (!(dtype instanceof TorchDtype)) return reject('a tensor has no dtype');
    return makeTensor(storage, dtype.dtype, [offset, shape, strides], reject);
  });
  add('torch._utils', '_rebuild_parameter', makeParameter);
  add('torch', 'Size', ([extents], reject) =>
    Array.isArray(extents) ? Tuple.from(extents) : reject('a torch.Size is made of something else than numbers'),
  );
  add('torch', 'device', (args) => new PickleObject('torch.device', args));
  for (const [name, dtype] of Object.entries(STORAGES)) {
    for (const module of ['torch', 'torch.cuda', 'torch.storage']) {
      globals.set(`${module}.${name}`, new StorageType(name, dtype));
    }
  }
  const aliases: [string, DType][] = [
    ['half', 'float16'],
    ['float', 'float32'],
    ['double', 'float64'],
    ['long', 'int64'],
    ['int', 'int32'],
    ['short', 'int16'],
  ];
  const names = ['bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'];
  for (const name of names) if (isDType(name)) globals.set(`torch.${name}`, new TorchDtype(name));
  for (const [alias, dtype] of aliases) globals.set(`torch.${alias}`, new TorchDtype(dtype));
  return globals;
}

export const TORCH_GLOBALS: Globals = table();
