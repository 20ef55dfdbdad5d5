/** `cim bench --peers`. */
import type { DriverChoice } from '@cim/runtime/platform/driver';
import { terminalReporter } from '../../cli/reporter.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import { comparableItems, selectItems } from '../items.ts';
import { type ComparedItem, compareAll, FULL, QUICK } from './compare.ts';
import { installPeers } from './install.ts';
import { OURS, PEERS } from './lineup.ts';
import { comparisonTable, remarks } from './report.ts';
import { surroundingsOf } from './surroundings.ts';

export interface PeersOptions {
  readonly filter: readonly string[];
  readonly quick: boolean;
  readonly json?: string;
}

export async function benchPeers(driver: DriverChoice, { filter, quick, json }: PeersOptions): Promise<void> {
  const items = selectItems(comparableItems({ quick }), filter);
  await installPeers(terminalReporter.info);
  const surroundings = await surroundingsOf(driver);
  terminalReporter.info(`Running on ${surroundings.description}`);
  const entrants = [OURS, ...PEERS];
  const compared: ComparedItem[] = [];
  const line = terminalReporter.progress('Comparing', items.length);
  try {
    for await (const item of compareAll(entrants, items, surroundings, quick ? QUICK : FULL)) {
      compared.push(item);
      line.advance(1, item.id);
    }
  } finally {
    line.stop();
  }
  console.log(comparisonTable(compared, OURS, PEERS, []));
  for (const remark of remarks(compared, entrants)) console.log(remark);
  if (json !== undefined)
    await writeFileAtomic(json, JSON.stringify({ adapter: surroundings.description, items: compared }, null, 2));
}
