/** Arrays and their element types, as NumPy, PyTorch and MATLAB files hold them. */

/** Float16 and bfloat16 numbers stay raw bits; booleans are bytes 0 and 1. */
const ARRAYS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export type DType = keyof typeof ARRAYS;
export type ArrayOf<D extends DType> = InstanceType<(typeof ARRAYS)[D]>;

export const isDType = (name: string): name is DType => Object.hasOwn(ARRAYS, name);
export const bytesPerElement = (dtype: DType): number => ARRAYS[dtype].BYTES_PER_ELEMENT;
export const elementCount = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** A number of elements or bytes. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** Whether an array's elements are stored as this type's are. */
export const isArrayOf = <D extends DType>(dtype: D, data: ArrayOf<DType>): data is ArrayOf<D> =>
  data instanceof ARRAYS[dtype];
/** An array on a buffer, whole, without a copy. */
export const arrayOver = <D extends DType>(dtype: D, buffer: ArrayBuffer): ArrayOf<D> =>
  new ARRAYS[dtype](buffer) as ArrayOf<D>;
/** Extents of an array, none of them absurd. */
export const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length <= MAX_DIMENSIONS &&
  value.every(isCount) &&
  // Zero extents hide absurd ones from the product.
  Number.isSafeInteger(elementCount(value.filter((n) => n > 0)));
const MAX_DIMENSIONS = 32;

/** An array whose elements may still be in a file: what state dicts are made of. */
export interface LazyArray<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /**
   * `count` row-major elements from `first` on; all of them by default.
   * @throws ReportedError when the file cannot be read any more.
   */
  read(first?: number, count?: number): Promise<ArrayOf<D>>;
}

/** An array in row-major order. */
export class NdArray<D extends DType = DType> implements LazyArray<D> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ArrayOf<D>;

  /** @throws RangeError when the data does not fit the shape. */
  constructor(dtype: D, shape: readonly number[], data: ArrayOf<D>) {
    if (!isArrayOf(dtype, data) || data.length !== elementCount(shape)) {
      throw new RangeError(`${data.length} elements do not make a ${dtype} array [${shape}].`);
    }
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }

  async read(first = 0, count = this.data.length - first): Promise<ArrayOf<D>> {
    return this.data.subarray(first, first + count) as ArrayOf<D>;
  }

  /** The elements as float32, see {@link toFloat32}. */
  toFloat32(): Float32Array {
    return toFloat32(this.dtype, this.data);
  }

  /** The elements as numbers. Integers beyond ±2^53 are rounded. */
  toNumbers(): number[] {
    const { dtype, data } = this as NdArray;
    if (dtype === 'float16' || dtype === 'bfloat16') return Array.from(this.toFloat32());
    return Array.from(data as ArrayLike<number | bigint>, Number);
  }
}

/** Elements as float32; float16 and bfloat16 are widened exactly. The data itself where it is float32. */
export function toFloat32(dtype: DType, data: ArrayOf<DType>): Float32Array {
  if (dtype === 'float16') return widenFloat16(data as Uint16Array);
  if (dtype === 'bfloat16') return widenBfloat16(data as Uint16Array);
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  return Float32Array.from(data);
}

/** An array of Python objects or MATLAB cells, in row-major order. */
export class ObjectArray<T = unknown> {
  readonly shape: readonly number[];
  readonly items: readonly T[];

  constructor(shape: readonly number[], items: readonly T[]) {
    if (items.length !== elementCount(shape)) throw new RangeError(`${items.length} items do not fill [${shape}].`);
    this.shape = shape;
    this.items = items;
  }
}

/** Copies raw numbers into an array of their own, swapping bytes where the file's order is not the machine's. */
export function decodeElements<D extends DType>(dtype: D, bytes: Uint8Array, bigEndian = false): ArrayOf<D> {
  const copy = new Uint8Array(bytes);
  if (bigEndian) swapBytes(copy, bytesPerElement(dtype));
  return arrayOver(dtype, copy.buffer);
}

/** An array of zeros. */
export const zeros = <D extends DType>(dtype: D, count: number): ArrayOf<D> => new ARRAYS[dtype](count) as ArrayOf<D>;

/** The elements as little-endian bytes, without a copy. */
export const bytesOf = (data: ArrayOf<DType>): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
}

type Elements = ArrayOf<DType> | unknown[];

/** Column-major elements in row-major order, into `target` of the same length. */
export function toRowMajor<T extends Elements>(source: T, shape: readonly number[], target: T): T {
  const strides = rowMajorStrides(shape);
  gather(shape.toReversed(), strides.toReversed(), (from, to, count, stride) => {
    for (let i = 0; i < count; i++) target[to + i * stride] = source[from + i];
  });
  return target;
}

/** The elements of a strided view, row-major, in `target`. `strides` count elements of `source`. */
export function gatherView<T extends ArrayOf<DType>>(
  source: T,
  shape: readonly number[],
  strides: readonly number[],
  target: T,
): T {
  gather(shape, strides, (to, from, count, stride) => {
    for (let i = 0; i < count; i++) target[to + i] = source[from + i * stride];
  });
  return target;
}

export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * Math.max(1, shape[i + 1]);
  return strides;
}

/** Walks a shape in row-major order, one innermost line at a time: its place there, and its place by the strides. */
function gather(
  shape: readonly number[],
  strides: readonly number[],
  line: (index: number, place: number, count: number, stride: number) => void,
): void {
  const total = elementCount(shape);
  const count = shape.at(-1) ?? 1;
  const stride = strides.at(-1) ?? 1;
  const at = new Array<number>(Math.max(0, shape.length - 1)).fill(0);
  let place = 0;
  for (let index = 0; index < total; index += count) {
    line(index, place, count, stride);
    for (let axis = at.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++at[axis] < shape[axis]) break;
      place -= at[axis] * strides[axis];
      at[axis] = 0;
    }
  }
}

function widenFloat16(bits: Uint16Array): Float32Array {
  const wide = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = bits[i] & 0x8000 ? -1 : 1;
    const exponent = (bits[i] >> 10) & 0x1f;
    const fraction = bits[i] & 0x3ff;
    if (exponent === 0) wide[i] = sign * fraction * 2 ** -24;
    else if (exponent === 0x1f) wide[i] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else wide[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return wide;
}

function widenBfloat16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);
}

/** Rounds to the nearest float16, ties to even, as NumPy's `astype(float16)` does from float32. */
export function narrowFloat16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    const magnitude = Math.abs(value);
    if (Number.isNaN(value)) bits[i] = 0x7e00;
    else if (magnitude < 2 ** -14) bits[i] = sign | roundTiesToEven(magnitude * 2 ** 24);
    else if (magnitude >= 65520) bits[i] = sign | 0x7c00;
    else {
      const exponent = Math.floor(Math.log2(magnitude));
      // log2 rounds up just below a power of two; a significand of 2048 carries into the exponent by itself.
      const exact = 2 ** exponent > magnitude ? exponent - 1 : exponent;
      bits[i] = sign | (((exact + 14) << 10) + roundTiesToEven(magnitude * 2 ** (10 - exact)));
    }
  }
  return bits;
}

function roundTiesToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
