/** What the adapter can do at most, measured. */
import type { Kernel } from '@cim/kernels/kernel';
import type { Device } from '@cim/runtime';
import { quartiles } from '@cim/runtime/tune/quartiles';
import { type BenchItem, planRun } from './item.ts';
import { type Measurement, type MeasureOptions, measureItems } from './measure.ts';
import { loadAll, multiplyAddChains, smallest, storeAll, type VectorType } from './roofline-kernels.ts';

export interface Roofline {
  /** f32 operations a second in multiply-adds, which count 2. */
  readonly multiplyAdd: number;
  /** Bytes a second of storage buffers. */
  readonly load: number;
  readonly store: number;
  /** Seconds that one more dispatch in a submit takes. */
  readonly dispatch: number;
  /** Seconds from a submit of one dispatch until its end is known. */
  readonly submit: number;
}

export interface RooflineSize {
  /** Invocations of the multiply-adds and how often each runs through its loop. */
  readonly invocations: number;
  readonly rounds: number;
  /** Of the buffer that is read and written, a multiple of 64. */
  readonly elements: number;
}

/** 64 MiB: more than most caches hold, less than every adapter binds. */
export const ROOFLINE_SIZE: RooflineSize = { invocations: 2 ** 16, rounds: 64, elements: 2 ** 24 };

/** Which of these is fastest depends on registers and compiler; so does the form. */
const CHAINS: readonly { readonly type: VectorType; readonly chains: readonly number[] }[] = [
  { type: 'f32', chains: [8, 16] },
  { type: 'vec4f', chains: [2, 4, 8] },
];
const FORMS = ['fma', 'sum'] as const;
/** How many of them are measured at length, those that begin best: the best one counts. */
const FASTEST = 2;
const TRIALS: MeasureOptions = { sampleSeconds: 0.01, spread: 0, samples: [4, 4], budget: 0 };
const TYPES: readonly VectorType[] = ['f32', 'vec4f'];

const ID = 'roofline';
/** How many items {@link rooflineItems} are. */
export const LIMITS = FASTEST + 2 * TYPES.length;

/** The multiply-adds that are fastest here, the best first: by the lower quartile, which a busy machine disturbs least. */
export async function fastestMultiplyAdds(device: Device, size: RooflineSize): Promise<BenchItem[]> {
  const { invocations, rounds } = size;
  const kinds = FORMS.flatMap((form) =>
    CHAINS.flatMap(({ type, chains }) => chains.map((chains) => ({ form, type, chains, rounds, invocations }))),
  );
  const items = kinds.map((kind) => kernelItem('multiplyAdd', multiplyAddChains(kind), { y: invocations }));
  const measured = await measureItems(device, items, TRIALS);
  const rate = items.map(({ flops }, i) => flops / measured[i].seconds.lower);
  const order = items.map((_, i) => i).sort((i, j) => rate[j] - rate[i]);
  return order.slice(0, FASTEST).map((i) => items[i]);
}

/** To be measured by turns with what they are the limit of. */
export const rooflineItems = (multiplyAdds: readonly BenchItem[], { elements }: RooflineSize): BenchItem[] => [
  ...multiplyAdds,
  ...TYPES.map((type) => kernelItem('load', loadAll(elements, type), { x: elements, y: elements / 16 })),
  ...TYPES.map((type) => kernelItem('store', storeAll(elements, type), { y: elements })),
];

/** The best that {@link rooflineItems} reached, and what submits cost. */
export async function rooflineOf(device: Device, measurements: readonly Measurement[]): Promise<Roofline> {
  const best = (id: string, work: 'flops' | 'bytes'): number =>
    Math.max(...measurements.filter((m) => m.id === `${ID}.${id}`).map((m) => m[work] / m.seconds.median));
  return {
    multiplyAdd: best('multiplyAdd', 'flops'),
    load: best('load', 'bytes'),
    store: best('store', 'bytes'),
    ...(await measureSubmits(device)),
  };
}

/** A kernel on zeros, of so many elements a binding. */
const kernelItem = (id: string, kernel: Kernel, elements: Readonly<Record<string, number>>): BenchItem => ({
  id: `${ID}.${id}`,
  title: kernel.key,
  flops: kernel.flops,
  bytes: kernel.bytes,
  setup(device) {
    const names = Object.keys(elements);
    const tensors = Object.fromEntries(names.map((name) => [name, name]));
    const operands = Object.fromEntries(names.map((name) => [name, device.zeros([elements[name]])]));
    return planRun(device, { steps: [{ kernel, tensors }], scratch: {} }, operands);
  },
});

const MANY = 257;
const SUBMITS = 15;

/** Past the device's own recording, which a trace gives a pass for every kernel. */
async function measureSubmits(device: Device): Promise<Pick<Roofline, 'dispatch' | 'submit'>> {
  const { gpu } = device;
  const kernel = smallest();
  const { pipeline, layout } = device.pipelines.get(kernel);
  const y = device.zeros([64]);
  await device.finish();
  const group = gpu.createBindGroup({
    layout,
    entries: [{ binding: 0, resource: { buffer: y.storage.block.buffer } }],
  });
  const submit = async (dispatches: number): Promise<number> => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(...kernel.grid);
    pass.end();
    const commands = encoder.finish();
    const begin = performance.now();
    gpu.queue.submit([commands]);
    await gpu.queue.onSubmittedWorkDone();
    return (performance.now() - begin) / 1000;
  };
  await submit(1);
  const [one, many]: [number[], number[]] = [[], []];
  for (let i = 0; i < SUBMITS; i++) {
    one.push(await submit(1));
    many.push(await submit(MANY));
  }
  y.dispose();
  const single = quartiles(one).median;
  return { dispatch: (quartiles(many).median - single) / (MANY - 1), submit: single };
}
