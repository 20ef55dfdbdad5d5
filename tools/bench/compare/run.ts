/** `cim bench --peers`. */
import type { DriverChoice } from '@cim/runtime/platform/driver';
import { terminalReporter } from '../../cli/reporter.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import { selectItems } from '../items.ts';
import { type ColdItem, coldItems, coldStarts } from './cold.ts';
import { type ComparedItem, compareAll, FULL, QUICK } from './compare.ts';
import type { Entrant } from './contender.ts';
import { comparisonHtml } from './html.ts';
import { installPeers } from './install.ts';
import { comparisonItems } from './items.ts';
import { natives, OURS, PEERS } from './lineup.ts';
import { type Comparison, comparisonText } from './report.ts';
import { surroundingsOf } from './surroundings.ts';

export interface PeersOptions {
  readonly filter: readonly string[];
  readonly quick: boolean;
  readonly json?: string;
  readonly html?: string;
}

/**
 * Compares, prints tables and writes the files asked for.
 * @throws ConfigError for a filter that names nothing, DownloadError when the peers cannot be installed,
 * GpuUnavailableError without an adapter.
 */
export async function benchPeers(driver: DriverChoice, { filter, quick, json, html }: PeersOptions): Promise<void> {
  const items = selectItems(comparisonItems({ quick }), filter);
  await installPeers(terminalReporter.info);
  const surroundings = await surroundingsOf(driver);
  const { description, software } = surroundings;
  terminalReporter.info(`Running on ${description}`);
  const rivals = { peers: PEERS, natives: natives() };
  const options = quick ? QUICK : FULL;
  const name = ({ id, title, version }: Entrant) => ({ id, title, version });
  const compared: ComparedItem[] = [];
  const cold: ColdItem[] = [];
  const comparison: Comparison = {
    ...{ adapter: description, software, ours: name(OURS) },
    ...{ peers: rivals.peers.map(name), natives: rivals.natives.map(name) },
    ...{ items: compared, cold },
  };
  // After every item: what was measured outlives an interruption.
  const save = async (): Promise<void> => {
    if (json !== undefined) await writeFileAtomic(json, JSON.stringify(comparison, null, 2));
    if (html !== undefined) await writeFileAtomic(html, comparisonHtml(comparison));
  };
  const all = [...rivals.peers, ...rivals.natives];
  await collect('Comparing', items.length, compareAll(all, items, surroundings, options), compared, save);
  const starting = quick ? [] : coldItems(items);
  const starts = coldStarts([OURS, ...PEERS], starting, surroundings, options);
  if (starting.length > 0) await collect('First results', starting.length, starts, cold, save);
  console.log(comparisonText(comparison));
}

/** Adds all that is measured to `items`, under a progress bar, and saves each time. */
async function collect<Item extends { readonly id: string }>(
  label: string,
  total: number,
  measured: AsyncIterable<Item>,
  items: Item[],
  save: () => Promise<void>,
): Promise<void> {
  const line = terminalReporter.progress(label, total);
  try {
    for await (const item of measured) {
      items.push(item);
      await save();
      line.advance(1, item.id);
    }
  } finally {
    line.stop();
  }
}
