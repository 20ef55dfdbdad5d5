import { compilationErrors, quotePipelineError } from '../diagnostics.ts';
import { ShapeError, ValidationError } from '../errors.ts';
import { type DType, dtypeOf, type TypedArray, toTyped } from '../tensor.ts';
import { type Bindings, type Operand, runGuarded } from './guarded.ts';
import { clampIndices, type Declaration, declarations, entryPoints, measures, rewritten } from './shader-text.ts';

/** A compute shader and how to dispatch it. */
export interface Shader {
  /** The WGSL of the module. */
  readonly code: string;
  /** Default: the only one. */
  readonly entryPoint?: string;
  /** Values of `override` declarations. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Workgroups in x, or in x, y and z. */
  readonly grid: number | readonly [x: number, y?: number, z?: number];
}

/** What the shader may do, and how often it runs. */
export interface GuardOptions {
  /** Outputs of which elements may stay unwritten. */
  readonly partial?: readonly string[];
  /** Buffers for intermediate values: nothing is expected of them but that they stay inside, and they are not returned. */
  readonly scratch?: readonly string[];
  /**
   * Whether the second run takes the shader rewritten: invocations in reverse order, indices clamped to the guard zones.
   * It compiles twice as long. Switch it off where the order matters, as where an atomic counter gives out places.
   * Default true.
   */
  readonly rewrite?: boolean;
  /** How often it runs more, to see whether it always gives the same. Default 0. */
  readonly repeats?: number;
}

/** Values a buffer starts with, or its number of 4-byte elements: it is then an output that must be written completely. */
export type BufferContent = ArrayLike<number> | number;

/**
 * Runs a compute shader on host arrays and returns what it may write, by name. Buffers are named as in the WGSL. Each
 * lies between guard zones, and the shader runs three times with different poison there: see {@link runGuarded}.
 *
 *     const { y } = await runShader(gpu, { code, grid: 2 }, { x: [1, 2, 3], y: 3, size: Uint32Array.of(3) });
 *
 * @throws ValidationError with the line of WGSL that does not compile; ShapeError when buffers and WGSL do not agree;
 * ShaderDefectError when it reads or writes where it must not.
 */
export async function runShader(
  gpu: GPUDevice,
  shader: Shader,
  buffers: Readonly<Record<string, BufferContent>>,
  options: GuardOptions = {},
): Promise<Record<string, TypedArray>> {
  const { code } = shader;
  const declared = declarations(code);
  const entryPoint = shader.entryPoint ?? onlyEntryPoint(code);
  const bound = Object.keys(buffers).map((name) => {
    const declaration = declared.find((one) => one.name === name);
    if (declaration) return declaration;
    const names = declared.map((one) => one.name).join(', ');
    throw new ShapeError(`The shader declares no buffer ${name}.`, `It declares ${names || 'none'}.`);
  });
  const operands = bound.map((declaration) => operandOf(declaration, buffers[declaration.name], code, options));
  const layouts = bindGroupLayouts(gpu, bound);
  const compile = async (text: string) => {
    const pipeline = await pipelineOf(gpu, text, entryPoint, shader.constants, layouts);
    return (pass: GPUComputePassEncoder, bindings: Bindings): void => {
      pass.setPipeline(pipeline);
      layouts.forEach((layout, group) => {
        const entries = bound.flatMap((one) =>
          one.group === group ? { binding: one.binding, resource: bindings[one.name] } : [],
        );
        pass.setBindGroup(group, gpu.createBindGroup({ layout, entries }));
      });
      const [x, y = 1, z = 1] = typeof shader.grid === 'number' ? [shader.grid] : shader.grid;
      pass.dispatchWorkgroups(x, y, z);
    };
  };
  const { rewrite = true, repeats } = options;
  return runGuarded(gpu, {
    label: `The shader ${entryPoint}`,
    operands,
    repeats,
    record: await compile(code),
    clamped: rewrite ? () => compile(clampIndices(code)) : undefined,
    rewritten: rewrite ? await compile(rewritten(code, entryPoint)) : undefined,
  });
}

function onlyEntryPoint(code: string): string {
  const names = entryPoints(code);
  if (names.length === 1) return names[0];
  throw new ShapeError(`The shader has ${names.length} compute entry points: ${names.join(', ')}.`, 'Name one.');
}

function operandOf(
  { name, kind, type }: Declaration,
  content: BufferContent,
  code: string,
  { partial, scratch }: GuardOptions,
): Operand {
  const dtype = ArrayBuffer.isView(content) ? dtypeOf(content as TypedArray) : wgslType(type);
  if (!dtype) {
    throw new ShapeError(
      `The type of ${name}, ${type}, does not say what its numbers are.`,
      'Give a Float32Array, Uint32Array or Int32Array with what it starts with.',
    );
  }
  if (typeof content === 'number' && kind !== 'read_write') {
    throw new ShapeError(`The shader only reads ${name}, but no values are given for it, only the size ${content}.`);
  }
  const element = /vec([234])/.exec(type)?.[1];
  return {
    name,
    dtype,
    access: kind,
    size: typeof content === 'number' ? content : content.length,
    data: typeof content === 'number' ? undefined : toTyped(content, dtype),
    elementBytes: element ? 4 * roundedVector(Number(element)) : 4,
    measured: measures(code, name),
    partial: partial?.includes(name),
    scratch: scratch?.includes(name),
  };
}

/** vec3 lies in arrays like vec4. */
const roundedVector = (components: number): number => (components === 3 ? 4 : components);

/** The numbers of a WGSL type of scalars, vectors and arrays of them. */
function wgslType(type: string): DType | undefined {
  const [, scalar, suffix] =
    /^(?:(?:array|atomic|vec[234]|mat[234]x[234])\s*<\s*)*(?:([fiu]32)\b|(?:vec[234]|mat[234]x[234])([fiu])\b)/.exec(
      type,
    ) ?? [];
  return scalar ? (scalar as DType) : suffix ? (`${suffix}32` as DType) : undefined;
}

function bindGroupLayouts(gpu: GPUDevice, bound: readonly Declaration[]): GPUBindGroupLayout[] {
  const groups = Math.max(0, ...bound.map(({ group }) => group + 1));
  return Array.from({ length: groups }, (_, group) =>
    gpu.createBindGroupLayout({
      entries: bound
        .filter((one) => one.group === group)
        .map(({ binding, kind }) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: ({ uniform: 'uniform', read: 'read-only-storage', read_write: 'storage' } as const)[kind] },
        })),
    }),
  );
}

/** @throws ValidationError with the line of WGSL it is about, where the compiler names one. */
async function pipelineOf(
  gpu: GPUDevice,
  code: string,
  entryPoint: string,
  constants: Shader['constants'],
  layouts: readonly GPUBindGroupLayout[],
): Promise<GPUComputePipeline> {
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ code });
  const layout = gpu.createPipelineLayout({ bindGroupLayouts: [...layouts] });
  const pipeline = gpu.createComputePipeline({ layout, compute: { module, entryPoint, constants } });
  const error = await gpu.popErrorScope();
  if (!error) return pipeline;
  const quoted = await compilationErrors(module, code);
  throw new ValidationError(
    `The shader ${entryPoint} is not valid.\n${quoted || quotePipelineError(code, error.message, entryPoint)}`,
  );
}
