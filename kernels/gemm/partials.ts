/** Second stage of sums that were split over workgroups, in a fixed order: the same bits on every run. */
import { type Element, elementOf, sumOf, widthOf } from '../element.ts';
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { forEachInChannel } from '../reduce/channel-loop.ts';

const WORKGROUP = 64;

/**
 * y[i] (+)= Σ_p partial[p, i] for i < n, plus bias[i mod channels] and through max(0, ·) where asked for.
 * Bind any f32 tensor as bias when `bias` is false.
 */
export function sumPartials({
  n,
  parts,
  channels = 1,
  bias = false,
  relu = false,
  accumulate = false,
}: {
  n: number;
  parts: number;
  channels?: number;
  bias?: boolean;
  relu?: boolean;
  accumulate?: boolean;
}): Kernel<'partial' | 'bias' | 'y'> {
  return defineKernel({
    name: 'gemm.sumPartials',
    bindings: { partial: read(), bias: read(), y: write() },
    uniforms: {
      n: u32(n),
      parts: u32(parts),
      channels: u32(channels),
      useBias: u32(bias ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: linearGrid(n, WORKGROUP),
    flops: n * parts,
    bytes: 4 * n * (parts + 1),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  var sum = 0.0;
  for (var p = 0u; p < u.parts; p++) { sum += partial[p * u.n + i]; }
  if (u.useBias == 1u) { sum += bias[i % u.channels]; }
  if (u.relu == 1u) { sum = max(sum, 0.0); }
  y[i] = sum + select(0.0, y[i], u.accumulate == 1u);
}`,
  });
}

interface ChannelSum {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
  readonly accumulate: boolean;
}

/** How a workgroup takes a channel: plane by plane, or where planes are short, all its elements in one run. */
const channelAccess = (inner: number): { byPlane: boolean; element: Element } => {
  const byPlane = inner >= WORKGROUP / 2;
  return { byPlane, element: byPlane ? elementOf(inner) : 'f32' };
};

const channelSumDispatch = ({ outer, channels, inner, accumulate }: ChannelSum) => {
  const access = channelAccess(inner);
  return {
    constants: access,
    uniforms: {
      batch: u32(outer),
      channels: u32(channels),
      plane: u32(inner / widthOf(access.element)),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: [channels, 1, 1] as const,
    flops: outer * channels * inner,
  };
};

/** A workgroup's loop over the elements i of channel c, which sets `g`, and the sum of all g. */
const sumChannel = (element: Element, byPlane: boolean, body: string): string => wgsl`
var<workgroup> sums: array<f32, ${WORKGROUP}>;
alias Element = ${element};
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  var sum = Element();
#if ${byPlane}
  ${forEachInChannel(WORKGROUP, `${body} sum += g;`)}
#else
  for (var at = lane; at < u.batch * u.plane; at += ${WORKGROUP}u) {
    let i = (at / u.plane * u.channels + c) * u.plane + at % u.plane;
    ${body}
    sum += g;
  }
#endif
  sums[lane] = ${sumOf(element, 'sum')};
  // One barrier and 64 additions by one lane: on software GPUs a tree of barriers costs more.
  workgroupBarrier();
  if (lane > 0u) { return; }
  var total = select(0.0, db[c], u.accumulate == 1u);
  for (var i = 0u; i < ${WORKGROUP}u; i++) { total += sums[i]; }
  db[c] = total;
}`;

/** db[c] (+)= Σ dy[outer, c, inner]: the gradient of a bias. One workgroup a channel. */
export const channelSum = (sizes: ChannelSum): Kernel<'dy' | 'db'> =>
  defineKernel({
    ...channelSumDispatch(sizes),
    name: 'gemm.channelSum',
    bindings: { dy: read(channelAccess(sizes.inner).element), db: write() },
    bytes: 4 * sizes.outer * sizes.channels * sizes.inner,
    source: ({ element, byPlane }) => sumChannel(element, byPlane, 'let g = dy[i];'),
  });

/**
 * dx = dy where y > 0, else 0: the gradient before a ReLU of output y. Of it {@link channelSum}, for the bias.
 * Binds dy, y and dx [batch, channels, plane], db [channels].
 */
export const reluChannelSum = (sizes: ChannelSum): Kernel<'dy' | 'y' | 'dx' | 'db'> => {
  const { element } = channelAccess(sizes.inner);
  return defineKernel({
    ...channelSumDispatch(sizes),
    name: 'gemm.reluChannelSum',
    bindings: { dy: read(element), y: read(element), dx: write(element), db: write() },
    bytes: 12 * sizes.outer * sizes.channels * sizes.inner,
    source: ({ element, byPlane }) =>
      sumChannel(element, byPlane, 'let g = select(Element(), dy[i], y[i] > Element()); dx[i] = g;'),
  });
};
