import type { Kernel } from '@cim/kernels/kernel';
import { type Plan, step } from '@cim/kernels/plan';
import type { Device } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { type DType, dtypeOfElement, type TypedArray, toTyped } from '../tensor.ts';
import { type Operand, type Recorder, runGuarded } from './guarded.ts';
import type { BufferContent, GuardOptions } from './shader.ts';
import { clampIndices, rewritten } from './shader-text.ts';

/**
 * Runs a kernel on host arrays and returns the outputs. An output given as a number is its size: it starts filled with
 * poison and must be written completely; an output given as an array starts with those values. Every buffer lies
 * between guard zones, and the kernel runs three times: see {@link runGuarded}.
 * @throws ShaderDefectError when it reads or writes where it must not, ValidationError when it does not compile.
 * @example
 * ```ts
 * import { add } from '@cim/kernels';
 * import { expectClose, runKernel, testDevice } from '@cim/runtime/testing';
 *
 * const device = await testDevice();
 * const { y } = await runKernel(device, add({ n: 3, relu: false }), { a: [1, 2, 3], b: [4, 5, 6], y: 3 });
 * expectClose(y, [5, 7, 9]);
 * ```
 */
export async function runKernel<B extends string>(
  device: Device,
  kernel: Kernel<B>,
  buffers: Readonly<Record<B, BufferContent>>,
  options: GuardOptions = {},
): Promise<Record<B, Float32Array>> {
  const names = Object.keys(kernel.bindings).map((name) => [name, name]);
  const plan = { steps: [step(kernel, Object.fromEntries(names))], scratch: {} };
  return (await executePlan(device, plan, buffers, options)) as Record<B, Float32Array>;
}

/**
 * {@link runKernel} for a plan of several kernels; its scratch buffers lie between guard zones too.
 *
 * @throws ShapeError when a buffer is missing or of no use.
 */
export async function executePlan(
  device: Device,
  plan: Plan,
  buffers: Readonly<Record<string, BufferContent>>,
  options: GuardOptions = {},
): Promise<Record<string, TypedArray>> {
  const steps = plan.steps.filter(({ kernel: { grid } }) => grid[0] * grid[1] * grid[2] > 0);
  const operands = operandsOf(plan, buffers, options);
  const recorder = async (rewrite: (kernel: Kernel) => Kernel): Promise<Recorder> => {
    const dispatches = steps.map(({ kernel, tensors }) => {
      const own = rewrite(kernel);
      return { ...device.pipelines.get(own), kernel: own, tensors };
    });
    await device.pipelines.validated();
    return (pass, bindings) => {
      for (const [index, { pipeline, layout, kernel, tensors }] of dispatches.entries()) {
        const names: string[] = Object.keys(kernel.bindings).map((name) => tensors[name]);
        if (kernel.uniforms.length > 0) names.push(uniformsOf(index));
        const entries = names.map((name, binding) => ({ binding, resource: bindings[name] }));
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, device.gpu.createBindGroup({ layout, entries }), kernel.uniforms.length > 0 ? [0] : []);
        pass.dispatchWorkgroups(...kernel.grid);
      }
    };
  };
  for (const [index, { kernel }] of steps.entries()) {
    const data = kernel.uniformData();
    if (data) operands.push(uniformOperand(uniformsOf(index), new Uint32Array(data)));
  }
  const { rewrite = true, repeats } = options;
  return runGuarded(device.gpu, {
    label: steps.map(({ kernel }) => kernel.name).join(', then ') || 'A plan without steps',
    operands,
    repeats,
    patiently: device.patiently,
    record: await recorder((kernel) => kernel),
    clamped: rewrite ? () => recorder(clamped) : undefined,
    rewritten: rewrite ? await recorder(reversed) : undefined,
  });
}

const uniformsOf = (step: number): string => `uniforms of step ${step}`;

/**
 * wgpu, Deno's WebGPU, goes on expecting of a uniform buffer the size that the pipeline before declared, if it has the
 * same layout: all are as large as the largest, as those of a {@link Device} are.
 */
const UNIFORM_WORDS = 64;

function uniformOperand(name: string, values: Uint32Array): Operand {
  const data = new Uint32Array(UNIFORM_WORDS);
  data.set(values);
  return { name, dtype: 'u32', access: 'uniform', size: data.length, data };
}

function withText(kernel: Kernel, name: string, wgsl: string): Kernel {
  const { wgsl: _, ...rest } = kernel;
  return { ...rest, key: `${kernel.key}|${name}`, wgsl };
}
const clamped = (kernel: Kernel): Kernel => withText(kernel, 'clamped', clampIndices(kernel.wgsl));
const reversed = (kernel: Kernel): Kernel => withText(kernel, 'reversed', rewritten(kernel.wgsl, 'main'));

/** What the kernels of a plan bind, by the plan's names: an operand may be bound several times, as different elements. */
function operandsOf(
  plan: Plan,
  buffers: Readonly<Record<string, BufferContent>>,
  { partial, scratch = [] }: GuardOptions,
): Operand[] {
  const operands = new Map<string, Operand>();
  for (const { kernel, tensors } of plan.steps) {
    for (const binding in kernel.bindings) {
      const name = tensors[binding];
      const { access, element } = kernel.bindings[binding];
      const before = operands.get(name);
      const dtype: DType = dtypeOfElement(element);
      const content = (plan.scratch[name] ?? plan.words?.[name] ?? buffers[name]) as BufferContent | undefined;
      if (content === undefined) throw new ShapeError(`No values are given for ${name}, which ${kernel.name} binds.`);
      const lanes = Number(/vec([24])/.exec(element)?.[1] ?? 1);
      operands.set(name, {
        name,
        dtype,
        size: typeof content === 'number' ? content : content.length,
        data: typeof content === 'number' ? undefined : toTyped(content, dtype),
        access: access === 'read_write' || before?.access === 'read_write' ? 'read_write' : 'read',
        elementBytes: Math.max((element.endsWith('h') ? 2 : 4) * lanes, before?.elementBytes ?? 4),
        partial: partial?.includes(name),
        scratch: name in plan.scratch || name in (plan.words ?? {}) || scratch.includes(name),
      });
    }
  }
  return [...operands.values()];
}
