import { closest } from 'fastest-levenshtein';
import type { GlobalOptions } from '../../cli/options.ts';
import { terminalReporter } from '../../cli/reporter.ts';
import { withDevice } from '../../cli/with-device.ts';
import { ConfigError } from '../../errors.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import { selectItems, standardItems } from '../items.ts';
import { type Explanation, explain } from './explain.ts';
import { explanationText, sourceLines } from './print.ts';
import { type GpuProfile, PROFILES } from './profiles.ts';

export interface ExplainOptions {
  readonly profile?: string;
  readonly filter: readonly string[];
  readonly quick: boolean;
  readonly json?: string;
}

/** @throws ConfigError for an unknown name. */
export function chooseProfiles(name?: string): readonly GpuProfile[] {
  if (name === undefined) return PROFILES;
  const chosen = PROFILES.filter((profile) => profile.name === name);
  if (chosen.length > 0) return chosen;
  const names = PROFILES.map((profile) => profile.name);
  throw new ConfigError(
    `There is no profile "${name}".`,
    `Did you mean ${closest(name, names)}? The profiles are ${names.join(', ')}.`,
  );
}

/** `cim bench --explain`. */
export async function explainItems(
  global: GlobalOptions,
  { profile, filter, quick, json }: ExplainOptions,
): Promise<void> {
  const profiles = chooseProfiles(profile);
  const items = selectItems(standardItems({ quick }), filter);
  await withDevice(global, async (device) => {
    const explanations: Explanation[] = [];
    const line = terminalReporter.progress('Counting', items.length);
    for (const item of items) {
      const explanation = await explain(device, item, profiles);
      explanations.push(explanation);
      line.advance(1, item.id);
    }
    line.stop();
    for (const explanation of explanations) console.log(`${explanationText(explanation, profiles)}\n`);
    console.log(sourceLines(profiles));
    if (json !== undefined) await writeFileAtomic(json, JSON.stringify({ profiles, explanations }, null, 2));
  });
}
