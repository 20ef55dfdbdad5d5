/** Tables that come with the package, for adapters that somebody has tuned for; see docs/tuning.md to add one. */
import type { Environment, TuningTable } from './entry.ts';
import lavapipe from './tables/lavapipe.json' with { type: 'json' };
import swiftshader from './tables/swiftshader.json' with { type: 'json' };

const TABLES = [lavapipe, swiftshader] as unknown as readonly TuningTable[];

/** Of the family that an adapter belongs to: a software driver's, whatever its version, or a GPU architecture's. */
export function shippedFor({ driver, vendor, architecture }: Environment): TuningTable['entries'] {
  const table = TABLES.find(({ environment }) =>
    driver === 'hardware'
      ? environment.driver === driver && environment.vendor === vendor && environment.architecture === architecture
      : environment.driver === driver,
  );
  return table?.entries ?? {};
}
