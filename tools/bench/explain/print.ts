import { textTable } from '../../cli/table.ts';
import type { ExplainedVariant, Explanation } from './explain.ts';
import type { GpuProfile } from './profiles.ts';

const mega = (bytes: number): string => (bytes / 1e6).toPrecision(3);

/** A heading, the least time on every profile, and a row for each variant. */
export function explanationText(
  { title, flops, bytes, bounds, variants }: Explanation,
  profiles: readonly GpuProfile[],
): string {
  const work = flops > 0 ? `${(flops / 1e9).toPrecision(3)} GFLOP, ` : '';
  const intensity = flops > 0 ? `, ${(flops / bytes).toFixed(1)} flop/byte` : '';
  const least = profiles.map(({ name }) => {
    const { seconds, limit } = bounds[name];
    return `${name} ${(1e6 * seconds).toPrecision(3)} µs (${limit})`;
  });
  const table = textTable(
    [
      'kernel',
      'MB asked for',
      '× least',
      'flop/byte',
      'registers',
      'invocations',
      'KiB',
      ...profiles.map((p) => p.name),
    ],
    variants.map((variant) => {
      const asked = variant.loaded + variant.stored;
      return [
        variant.name,
        mega(asked),
        (asked / bytes).toFixed(1),
        flops > 0 ? (flops / asked).toFixed(1) : '-',
        `~${variant.registers}`,
        String(variant.invocations),
        (variant.workgroupBytes / 1024).toFixed(1),
        ...profiles.map(({ name }) => room(variant, name)),
      ];
    }),
  );
  return [`${title}: ${work}at least ${mega(bytes)} MB${intensity}`, `At least: ${least.join(', ')}`, table].join('\n');
}

/** The share of a core's invocations, and what keeps it from more. */
function room({ occupancy, subgroupSize }: ExplainedVariant, profile: string): string {
  const found = occupancy[profile];
  if (!found) return subgroupSize > 0 ? `subgroups of ${subgroupSize}` : 'does not fit';
  return `${(100 * found.share).toFixed(0)} % ${found.spills ? 'spills' : found.limit}`;
}

export const sourceLines = (profiles: readonly GpuProfile[]): string =>
  profiles.map(({ name, title, source }) => `${name}: ${title}. ${source}.`).join('\n');
