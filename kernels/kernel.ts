/**
 * What a kernel is, without any GPU API: WGSL text, the buffers it binds, the uniforms it reads, and the
 * grid to dispatch. Anyone's WebGPU app can run one:
 *
 *     const k = activation({ n: 1024, kind: 'relu' });
 *     const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code: k.wgsl }) } });
 *     // bind k.bindings in order at @binding(0…), k.uniformData() after them, then dispatchWorkgroups(...k.grid)
 */
import { wgsl as preprocess } from 'wgsl-preprocessor/wgsl-preprocessor.js';

/** Tagged template: `#if ${condition} … #elif ${condition} … #else … #endif` choose text, other values are inserted. */
export const wgsl: (strings: TemplateStringsArray, ...values: unknown[]) => string = preprocess;

/** A typed 4-byte uniform. Shapes are uniforms, so one pipeline serves every size. */
export interface Scalar {
  /** WGSL type of the uniform. */
  readonly type: 'u32' | 'i32' | 'f32';
  /** A u32 or i32 must be an integer of its range; an f32 is rounded. */
  readonly value: number;
}
/** An unsigned integer uniform: a size, a count, a switch of 0 or 1. */
export const u32 = (value: number): Scalar => ({ type: 'u32', value });
/** A signed integer uniform. */
export const i32 = (value: number): Scalar => ({ type: 'i32', value });
/** A uniform rounded to f32. */
export const f32 = (value: number): Scalar => ({ type: 'f32', value });

/**
 * WGSL element types a storage binding may hold; the host sees f32, u32 or i32 words. f16 lives only in scratch tensors,
 * two to a word of f32.
 */
export type Element =
  | 'f32'
  | 'u32'
  | 'i32'
  | 'f16'
  | 'vec2f'
  | 'vec4f'
  | 'vec2u'
  | 'vec4u'
  | 'vec4h'
  | 'atomic<u32>'
  | 'atomic<i32>';
/** A storage buffer of a kernel: `var<storage, access> name: array<element>`. */
export interface Binding {
  /** `read_write` where the kernel writes it. */
  readonly access: 'read' | 'read_write';
  /** WGSL type of its elements; f32 words on the host unless it is of u32 or i32. */
  readonly element: Element;
}
/** A storage buffer the kernel only reads. */
export const read = (element: Element = 'f32'): Binding => ({ access: 'read', element });
/** A storage buffer the kernel writes, or reads and writes. */
export const write = (element: Element = 'f32'): Binding => ({ access: 'read_write', element });

/** Workgroups to dispatch along x, y and z; 0 along any of them means that there is nothing to do. */
export type Grid = readonly [x: number, y: number, z: number];

/** What a variant needs beyond the portable base (8 storage buffers, 256 invocations, 16 KiB of workgroup memory). */
export interface Requirements {
  /** WebGPU features the device must have been opened with. */
  readonly features?: readonly ('subgroups' | 'shader-f16' | 'chromium-experimental-subgroup-matrix')[];
  /** The kernel is written for exactly this subgroup size. */
  readonly subgroupSize?: number;
  /** Invocations of a workgroup, where they are more than 256. */
  readonly invocations?: number;
  /** Bytes of workgroup memory, where they are more than 16 KiB. */
  readonly workgroupBytes?: number;
}

type Constant = number | boolean | string;

/** What {@link defineKernel} makes a {@link Kernel} of. */
export interface KernelSpec<B extends string, C extends Record<string, Constant>> {
  /** `family.operation[.variant]`, unique per source text. */
  readonly name: string;
  /** Baked into the WGSL: tile sizes, layouts, switches. Every distinct set is one pipeline. */
  readonly constants?: C;
  /** Storage buffers in `@binding` order. */
  readonly bindings: Readonly<Record<B, Binding>>;
  /** Read in WGSL as `u.name`. */
  readonly uniforms?: Readonly<Record<string, Scalar>>;
  /** Workgroups to dispatch. */
  readonly grid: Grid;
  /** Nothing beyond the portable base unless given. */
  readonly requires?: Requirements;
  /** Floating point operations of this dispatch (a multiply-add counts 2). */
  readonly flops?: number;
  /** Bytes that must move at least: every input read once, every output written once. */
  readonly bytes?: number;
  /** The WGSL after the bindings: workgroup memory, helpers and `@compute fn main`. */
  readonly source: (constants: C) => string;
}

/** One dispatch on given shapes: plain data that any WebGPU program can run. */
export interface Kernel<B extends string = string> {
  /** `family.operation[.variant]`, as it appears in traces. */
  readonly name: string;
  /** Identifies the WGSL text: the name and the constants. */
  readonly key: string;
  /** Storage buffers by name, in the order of `@binding(0)`, `@binding(1)`, … */
  readonly bindings: Readonly<Record<B, Binding>>;
  /** Values of the uniform block, which is bound after the storage buffers. */
  readonly uniforms: readonly Scalar[];
  /** Arguments of `dispatchWorkgroups`. */
  readonly grid: Grid;
  /** What the device must offer beyond the portable base. */
  readonly requires: Requirements;
  /** Floating point operations of this dispatch, a multiply-add counting 2; 0 where nobody counted. */
  readonly flops: number;
  /** Bytes that must move at least; 0 where nobody counted. */
  readonly bytes: number;
  /** The complete shader module. */
  readonly wgsl: string;
  /** The uniform block, little-endian, 4 bytes a scalar, padded to 16 bytes. Null when there are no uniforms. */
  uniformData(): ArrayBuffer | null;
}

/** A kernel was described by sizes that no dispatch can have. */
export class KernelSizeError extends RangeError {
  constructor(kernel: string, problem: string, remedy: string) {
    super(`Kernel ${kernel}: ${problem}. ${remedy}`);
    this.name = 'KernelSizeError';
  }
}

/** Which numbers a uniform can hold, in words and as a check. */
const RANGES: Readonly<Record<Scalar['type'], readonly [range: string, holds: (value: number) => boolean]>> = {
  u32: ['an integer of 0 to 4294967295', (value) => value >>> 0 === value],
  i32: ['an integer of -2147483648 to 2147483647', (value) => (value | 0) === value],
  f32: ['a number', (value) => typeof value === 'number'],
};

/** The portable limit that every base variant keeps. */
export const MAX_STORAGE_BUFFERS = 8;
/** WebGPU's limit of workgroups per grid dimension. */
export const MAX_GRID = 65535;

const sources = new Map<string, string>();

/**
 * Describes one dispatch. Cheap enough to call per step: the WGSL text is built once per set of constants.
 * @throws KernelSizeError when a uniform or a size of the grid is no number that WebGPU takes.
 * @example
 * ```ts
 * import { defineKernel, linearGrid, linearIndex, read, u32, write } from '@cim/kernels';
 * import { Device } from '@cim/runtime';
 *
 * const square = (n: number) =>
 *   defineKernel({
 *     name: 'example.square',
 *     bindings: { x: read(), y: write() },
 *     uniforms: { n: u32(n) },
 *     grid: linearGrid(n, 64),
 *     source: () => `${linearIndex(64)}
 *   if (i < u.n) { y[i] = x[i] * x[i]; }
 * }`,
 *   });
 * const device = await Device.open();
 * const [x, y] = [device.tensor([1, 2, 3]), device.empty([3])];
 * device.run(square(3), { x, y });
 * console.log(await y.read()); // → Float32Array(3) [ 1, 4, 9 ]
 * await device.close();
 * ```
 */
export function defineKernel<B extends string, C extends Record<string, Constant> = Record<string, never>>(
  spec: KernelSpec<B, C>,
): Kernel<B> {
  const constants = spec.constants ?? ({} as C);
  const uniformNames = Object.keys(spec.uniforms ?? {});
  const uniforms = Object.values(spec.uniforms ?? {});
  uniforms.forEach(({ type, value }, i) => {
    const [range, holds] = RANGES[type];
    if (holds(value)) return;
    const given = typeof value === 'string' ? `the text "${value}"` : value;
    const problem = `${uniformNames[i]} is ${given}, not ${range}`;
    throw new KernelSizeError(spec.name, problem, 'Correct it, or the sizes that it follows from.');
  });
  let key = spec.name;
  for (const name in constants) {
    const value = constants[name];
    if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new KernelSizeError(spec.name, `${name} is ${value}`, 'Give it a finite value.');
    }
    key += `|${name}=${value}`;
  }
  if (!spec.grid.every((size) => Number.isInteger(size) && size >= 0 && size <= MAX_GRID)) {
    const problem = `[${spec.grid}] workgroups are no grid of integers of 0 to ${MAX_GRID}`;
    throw new KernelSizeError(spec.name, problem, 'Describe smaller pieces and dispatch one after the other.');
  }
  return {
    name: spec.name,
    key,
    bindings: spec.bindings,
    uniforms,
    grid: spec.grid,
    requires: spec.requires ?? {},
    flops: spec.flops ?? 0,
    bytes: spec.bytes ?? 0,
    get wgsl() {
      let text = sources.get(key);
      if (text === undefined) {
        text = assemble(spec.bindings, uniformNames, uniforms, spec.source(constants));
        sources.set(key, text);
      }
      return text;
    },
    uniformData() {
      if (uniforms.length === 0) return null;
      const data = new ArrayBuffer(Math.ceil(uniforms.length / 4) * 16);
      packUniforms(uniforms, new DataView(data), 0);
      return data;
    },
  };
}

/** Writes a uniform block at `offset`. */
export function packUniforms(uniforms: readonly Scalar[], view: DataView, offset: number): void {
  for (const { type, value } of uniforms) {
    if (type === 'f32') view.setFloat32(offset, value, true);
    else if (type === 'u32') view.setUint32(offset, value, true);
    else view.setInt32(offset, value, true);
    offset += 4;
  }
}

function assemble(
  bindings: Readonly<Record<string, Binding>>,
  uniformNames: readonly string[],
  uniforms: readonly Scalar[],
  body: string,
): string {
  // Directives such as `enable subgroups;` must come before any declaration.
  const directives: string[] = [];
  const rest = body.replace(/^[ \t]*(enable|requires|diagnostic)\b[^;]*;[ \t]*\n?/gm, (line) => {
    directives.push(line.trim());
    return '';
  });
  const lines = Object.entries(bindings).map(
    ([name, { access, element }], index) =>
      `@group(0) @binding(${index}) var<storage, ${access}> ${name}: array<${element}>;`,
  );
  if (uniforms.length > 0) {
    const fields = uniforms.map((scalar, i) => `  ${uniformNames[i]}: ${scalar.type},`);
    lines.push(`struct Uniforms {`, ...fields, `}`);
    lines.push(`@group(0) @binding(${lines.length - fields.length - 2}) var<uniform> u: Uniforms;`);
  }
  return [...directives, ...lines, rest].join('\n');
}

/** WGSL text of `count` lines. */
export const each = (count: number, line: (i: number) => string, separator = '\n'): string =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

/** A grid of one invocation per item. Read the item in WGSL as `gid.x + gid.y * (workgroups.x * size)`, see {@link linearIndex}. */
export function linearGrid(items: number, workgroupSize: number): Grid {
  const groups = Math.max(1, Math.ceil(items / workgroupSize));
  if (groups <= MAX_GRID) return [groups, 1, 1];
  const y = Math.ceil(groups / MAX_GRID);
  return [Math.ceil(groups / y), y, 1];
}

/**
 * WGSL head of a kernel over a linear grid: declares `main` and the item's index `i`, without a bounds check.
 * Close the body with `}`.
 */
export const linearIndex = (workgroupSize: number): string => `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let i = gid.x + gid.y * (workgroups.x * ${workgroupSize}u);`;
