/**
 * Runs work on buffers that lie between guard zones, three times, with another poison each time: in the guard zones, and in
 * outputs before they are written. What a shader does not write, writes outside, or reads outside is then seen: drivers
 * turn an index that is out of bounds into some other place, silently.
 */
import { ReportedError } from '../errors.ts';
import { arrayOf, type DType, type TypedArray } from '../tensor.ts';
import { placeOf } from './close.ts';

/** A shader did what it must not: read or write outside its buffers, forget elements, depend on the order of its invocations. */
export class ShaderDefectError extends ReportedError {}

/** A buffer of the work, without its guard zones. */
export interface Operand {
  /** As the shader names it. */
  readonly name: string;
  /** Type of its elements on the host. */
  readonly dtype: DType;
  /** Elements of 4 bytes. */
  readonly size: number;
  /** What it starts with; without, it starts as poison and all of it must be written. */
  readonly data?: TypedArray;
  /** How the shader declares it. */
  readonly access: 'uniform' | 'read' | 'read_write';
  /** Bytes of the shader's own element: the last one may reach beyond the data. Default 4. */
  readonly elementBytes?: number;
  /** The shader asks for the length: no guard zone within the binding. */
  readonly measured?: boolean;
  /** Elements may stay unwritten. */
  readonly partial?: boolean;
  /** Holds intermediate values, of which nothing is expected but that they stay inside. */
  readonly scratch?: boolean;
}

/** Buffers as bindings of a bind group, by operand. */
export type Bindings = Readonly<Record<string, GPUBufferBinding>>;

/** Sets pipelines and bind groups and dispatches. */
export type Recorder = (pass: GPUComputePassEncoder, bindings: Bindings) => void;

/** Dispatches, and the buffers they use. */
export interface Work {
  /** Their buffers. */
  readonly operands: readonly Operand[];
  /** Sets pipelines and bind groups and dispatches. */
  readonly record: Recorder;
  /** The same work from rewritten shaders, for the second run; its results may differ in the last bits. */
  readonly rewritten?: Recorder;
  /** That in which the indices are clamped and no more, to tell why results differ. */
  readonly clamped?: () => Promise<Recorder>;
  /** How often it runs more, to see whether it always gives the same. Default 0. */
  readonly repeats?: number;
  /** Names the work in errors. */
  readonly label: string;
  /** Awaits the GPU. */
  readonly patiently?: <T>(promise: Promise<T>) => Promise<T>;
}

/**
 * What fills memory that nobody may read: numbers of both signs, which minima and maxima do not hide, then NaN, which a
 * product with zero does not. As integers they are small enough that a loop over them ends.
 */
const POISONS = [
  { f32: 0x7179b5a3, u32: 0xdead1, i32: 0xdead1 },
  { f32: 0xf179b5a3, u32: 0x5eed7, i32: 0x5eed7 },
  { f32: 0x7fc0dead, u32: 0xface3, i32: 0xface3 },
] as const;
type Poison = 0 | 1 | 2;
/** Outputs hold another poison than the zones around: what is copied from there is not taken for unwritten. */
const INSIDE = 0x11;
const poisonInside = (poison: Poison, dtype: DType): number => (POISONS[poison][dtype] ^ INSIDE) >>> 0;

/** Runs on the same poison before a change is laid to anything but a race. */
const RACING_RUNS = 6;
/** The zone before a binding: the largest alignment that an adapter may ask for. */
const BEFORE = 256;
/** The zone after it: as long as the data, since wrong strides reach far, within limits. */
const SHORTEST_AFTER = 1024;
const LONGEST_AFTER = 65536;

interface Placed {
  readonly operand: Operand;
  readonly buffer: GPUBuffer;
  /** Words before the zone after the data. */
  readonly end: number;
  readonly words: number;
  readonly binding: GPUBufferBinding;
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** The outputs by name. @throws ShaderDefectError saying what is wrong and where. */
export async function runGuarded(gpu: GPUDevice, work: Work): Promise<Record<string, TypedArray>> {
  const placed = work.operands.map((operand) => place(gpu, operand));
  const run = new Runner(gpu, work, placed);
  try {
    const [first, second, third] = await run.executeAll([
      [work.record, () => 0],
      [work.rewritten ?? work.record, () => 1],
      [work.record, () => 2],
    ]);
    const outputs = work.operands.filter(isOutput);
    for (const operand of outputs) checkWritten(work, operand, first[operand.name], second[operand.name]);
    const differing = run.difference(first, second, work.rewritten === undefined) ?? run.difference(first, third, true);
    if (differing) await run.explain(first, differing);
    await run.repeat(first, work.repeats ?? 0);
    return Object.fromEntries(outputs.map((operand) => [operand.name, typed(first[operand.name], operand)]));
  } finally {
    for (const { buffer } of placed) buffer.destroy();
  }
}

function place(gpu: GPUDevice, operand: Operand): Placed {
  const bytes = 4 * operand.size;
  const uniform = operand.access === 'uniform';
  const end = roundUp(bytes, operand.elementBytes ?? 4);
  const after = uniform ? 0 : Math.min(LONGEST_AFTER, Math.max(SHORTEST_AFTER, roundUp(bytes, 256)));
  const size = uniform ? roundUp(bytes, 16) : operand.measured ? Math.max(4, bytes) : roundUp(end + after, 16);
  const buffer = gpu.createBuffer({
    label: `${operand.name}, guarded`,
    size: BEFORE + roundUp(end, 16) + Math.max(after, 16),
    usage:
      (uniform ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE) | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  return {
    operand,
    buffer,
    end: (BEFORE + end) / 4,
    words: buffer.size / 4,
    binding: { buffer, offset: BEFORE, size },
  };
}

type Results = Record<string, Uint32Array>;
interface Difference {
  readonly operand: Operand;
  readonly index: number;
  readonly count: number;
}
/** The poison of an operand: in the zones around it, and in it before it is written. */
type Poisoning = (operand: Operand, where: 'around' | 'inside') => Poison;

class Runner {
  readonly #gpu: GPUDevice;
  readonly #work: Work;
  readonly #placed: readonly Placed[];

  constructor(gpu: GPUDevice, work: Work, placed: readonly Placed[]) {
    this.#gpu = gpu;
    this.#work = work;
    this.#placed = placed;
  }

  /** The bits of the outputs after a run. @throws ShaderDefectError when it wrote outside. */
  async execute(record: Recorder, poisoning: Poisoning): Promise<Results> {
    return (await this.executeAll([[record, poisoning]]))[0];
  }

  /** The same for several runs, which are waited for once. */
  async executeAll(runs: readonly (readonly [Recorder, Poisoning])[]): Promise<Results[]> {
    const written = this.#placed.filter(({ operand }) => operand.access === 'read_write');
    const words = written.reduce((sum, one) => sum + one.words, 0);
    const staging = this.#gpu.createBuffer({
      label: 'outputs, to be read',
      size: Math.max(4, 4 * words * runs.length),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const contents = runs.map(([record, poisoning], run) => {
        const filled = this.#fill(poisoning);
        const encoder = this.#gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        record(pass, Object.fromEntries(this.#placed.map(({ operand, binding }) => [operand.name, binding])));
        pass.end();
        let offset = 4 * words * run;
        for (const { buffer } of written) {
          encoder.copyBufferToBuffer(buffer, 0, staging, offset, buffer.size);
          offset += buffer.size;
        }
        this.#gpu.queue.submit([encoder.finish()]);
        return filled;
      });
      const mapped = staging.mapAsync(GPUMapMode.READ);
      await (this.#work.patiently ? this.#work.patiently(mapped) : mapped);
      const all = new Uint32Array(staging.getMappedRange().slice(0));
      return contents.map((filled, run) => this.#results(written, all.subarray(words * run), filled));
    } finally {
      staging.destroy();
    }
  }

  /** Writes data and poison to all buffers; what they hold then, by operand. */
  #fill(poisoning: Poisoning): ReadonlyMap<Operand, Uint32Array> {
    const contents = new Map<Operand, Uint32Array>();
    for (const { operand, buffer, words } of this.#placed) {
      const { dtype, data, size } = operand;
      const filled = new Uint32Array(words).fill(POISONS[poisoning(operand, 'around')][dtype]);
      const inside = filled.subarray(BEFORE / 4, BEFORE / 4 + size);
      if (data) inside.set(new Uint32Array(data.buffer, data.byteOffset, size));
      else inside.fill(poisonInside(poisoning(operand, 'inside'), dtype));
      this.#gpu.queue.writeBuffer(buffer, 0, filled);
      contents.set(operand, filled);
    }
    return contents;
  }

  /** Takes the outputs of one run from what was read back. */
  #results(written: readonly Placed[], all: Uint32Array, filled: ReadonlyMap<Operand, Uint32Array>): Results {
    const results: Results = {};
    let first = 0;
    for (const { operand, words, end } of written) {
      const found = all.subarray(first, first + words);
      this.#checkGuards(operand, found, filled.get(operand)!, end);
      results[operand.name] = found.subarray(BEFORE / 4, BEFORE / 4 + operand.size);
      first += words;
    }
    return results;
  }

  #checkGuards(operand: Operand, found: Uint32Array, expected: Uint32Array, end: number): void {
    const begin = BEFORE / 4;
    for (let i = 0; i < found.length; i = i === begin - 1 ? end : i + 1) {
      if (found[i] === expected[i]) continue;
      const where =
        i < begin
          ? `${begin - i} before its first`
          : `element ${i - begin}, ${i - begin - operand.size + 1} past its last`;
      throw new ShaderDefectError(
        `${this.#work.label} writes outside of ${operand.name} (${operand.size} elements): ${where}.`,
        'Compare the index with the size before writing.',
      );
    }
  }

  /** The first output that is not the same in both, bit for bit or but for rounding. */
  difference(a: Results, b: Results, exact: boolean): Difference | undefined {
    for (const operand of this.#work.operands.filter(isOutput)) {
      const [x, y] = [a[operand.name], b[operand.name]];
      const floats = operand.dtype === 'f32' && !exact;
      const [fx, fy] = [x, y].map((bits) => typed(bits, operand));
      let largest = 0;
      if (floats) for (const value of fx) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
      const same = (i: number): boolean =>
        (operand.partial === true && isUnwritten(operand, x[i], y[i])) ||
        (operand.dtype === 'f32' && Number.isNaN(fx[i]) && Number.isNaN(fy[i])) ||
        (floats && (fx[i] === fy[i] || Math.abs(fx[i] - fy[i]) <= 1e-5 * largest));
      let index = -1;
      let count = 0;
      for (let i = x.length - 1; i >= 0; i--) {
        if (x[i] === y[i] || same(i)) continue;
        index = i;
        count++;
      }
      if (count > 0) return { operand, index, count };
    }
    return undefined;
  }

  /** @throws ShaderDefectError when so many runs of the same on the same poison do not give the same. */
  async repeat(
    first: Results,
    times: number,
    record: Recorder = this.#work.record,
    poisoning: Poisoning = () => 0,
  ): Promise<void> {
    for (let i = 0; i < times; i++) {
      const difference = this.difference(first, await this.execute(record, poisoning), true);
      if (difference) throw race(this.#work, difference);
    }
  }

  /**
   * Why results change with the poison or with the rewritten shader: by changing one thing at a time.
   * @throws ShaderDefectError always.
   */
  async explain(first: Results, found: Difference): Promise<never> {
    const work = this.#work;
    const changes = async (record: Recorder, poisoning: Poisoning): Promise<Difference | undefined> => {
      const results = await this.execute(record, poisoning);
      const difference = this.difference(first, results, record === work.record);
      if (!difference) return undefined;
      // A race between workgroups may differ by chance.
      await this.repeat(first, RACING_RUNS);
      await this.repeat(results, RACING_RUNS, record, poisoning);
      return difference;
    };
    await this.repeat(first, RACING_RUNS);
    const clamped = await work.clamped?.();
    for (const record of clamped ? [work.record, clamped] : [work.record]) {
      for (const { operand } of this.#placed) {
        for (const poison of [1, 2] as const) {
          const of =
            (where: 'around' | 'inside'): Poisoning =>
            (one, at) =>
              one === operand && at === where ? poison : 0;
          const around = await changes(record, of('around'));
          if (around) throw readsOutside(work, operand, around);
          const inside = await changes(record, of('inside'));
          if (inside) throw readsUnwritten(work, operand, inside);
        }
      }
      // Clamped to the guard zone, an index far outside reads what a driver had hidden.
      const far = record === clamped ? await changes(record, () => 0) : undefined;
      if (far) {
        throw new ShaderDefectError(
          `${work.label} reads far outside of a buffer: clamping its indices changes ${describe(far)}.`,
          'Compare the index with the size before reading; a negative index becomes a very large one.',
        );
      }
    }
    throw new ShaderDefectError(
      `${work.label} depends on the order of its invocations: reversed, ${describe(found)} changes.`,
      'Look for a workgroupBarrier that is missing, or for two invocations that write one element.',
    );
  }
}

function checkWritten(work: Work, operand: Operand, first: Uint32Array, second: Uint32Array): void {
  if (operand.data || operand.partial) return;
  let earliest = -1;
  let count = 0;
  for (let i = first.length - 1; i >= 0; i--) {
    if (!isUnwritten(operand, first[i], second[i])) continue;
    earliest = i;
    count++;
  }
  if (count === 0) return;
  throw new ShaderDefectError(
    `${work.label} leaves ${count} of ${operand.size} elements of ${operand.name} unwritten, the first at ${earliest}.`,
    'Dispatch enough workgroups, or name it as partial if the rest is of no use.',
  );
}

/** Holds the poison it was filled with in both runs: the first, and another. */
const isUnwritten = ({ dtype, data }: Operand, first: number, other: number): boolean =>
  !data && first === poisonInside(0, dtype) && (other === poisonInside(1, dtype) || other === poisonInside(2, dtype));

const isOutput = ({ access, scratch }: Operand): boolean => access === 'read_write' && !scratch;

const readsOutside = ({ label }: Work, { name, size }: Operand, difference: Difference): ShaderDefectError =>
  new ShaderDefectError(
    `${label} reads outside of ${name} (${size} elements): what lies there changes ${describe(difference)}.`,
    'Compare the index with the size before reading.',
  );

const readsUnwritten = ({ label }: Work, { name }: Operand, difference: Difference): ShaderDefectError =>
  new ShaderDefectError(
    `${label} reads ${name} before writing it: what it held changes ${describe(difference)}.`,
    'Write it first, or give it the values to start with.',
  );

const race = (work: Work, difference: Difference): ShaderDefectError =>
  new ShaderDefectError(
    `${work.label} is not deterministic: run again on the same inputs, ${describe(difference)} changes.`,
    'Two invocations race for one element: write it from one, or with atomics.',
  );

const describe = ({ operand, index, count }: Difference): string =>
  `${operand.name} at ${placeOf(index)}${count > 1 ? ` and ${count - 1} more` : ''}`;

function typed(bits: Uint32Array, { dtype }: Operand): TypedArray {
  const values = arrayOf(dtype, bits.length);
  new Uint32Array(values.buffer).set(bits);
  return values;
}
