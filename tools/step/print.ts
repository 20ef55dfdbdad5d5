import { mib } from '@cim/runtime';
import type { NetworkSize, StepReport } from './step.ts';

const millions = (count: number): string => `${(count / 1e6).toFixed(2)} million`;
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

export const networkLines = (
  name: string,
  { parameters, trained, sharded, loaded, seconds }: NetworkSize,
): string[] => [
  ...(loaded === null ? [] : [loaded]),
  `${name}: ${millions(parameters)} parameters, ${millions(trained)} trained; made in ${seconds.toFixed(1)} s`,
  ...sharded.map(
    ({ name, weight: { shape, bytes, shards } }) =>
      `  ${name} [${shape.join(', ')}], ${mib(bytes)}, in ${shards.length} shards`,
  ),
];

export const stepLines = ({ losses, forward, backward, solver, gpuPeak, hostPeak }: StepReport): string[] => [
  `losses: ${Object.entries(losses)
    .map(([name, value]) => `${name} ${value.toFixed(5)}`)
    .join(', ')}`,
  `seconds: forward ${forward.toFixed(2)}, backward ${backward.toFixed(2)}, solver ${solver.toFixed(2)}`,
  `memory at most: GPU ${gib(gpuPeak)}, process ${gib(hostPeak)}`,
];
