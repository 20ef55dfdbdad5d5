/** What is there of the original's layout, for a person. */
import { firstNames } from '../errors.ts';
import type { Item } from './items.ts';
import type { Found } from './listed.ts';

export interface Checked {
  readonly item: Item;
  readonly found: Found;
}

export type State = 'present' | 'incomplete' | 'missing';

export const stateOf = ({ present, expected }: Found): State =>
  present >= expected ? 'present' : present > 0 ? 'incomplete' : 'missing';

export async function check(items: readonly Item[]): Promise<Checked[]> {
  const checked: Checked[] = [];
  for (const item of items) checked.push({ item, found: await item.find() });
  return checked;
}

/** A line an item; below it, if it is not all there, what it is for and how to come by it. */
export function checklistLines(checked: readonly Checked[]): string[] {
  return checked.flatMap(({ item, found }) => {
    const state = stateOf(found);
    const { present, expected, missing } = found;
    const count = expected > 1 ? `${present} of ${expected} files` : '';
    const absent = state === 'incomplete' && missing.length > 0 ? `, missing ${firstNames(missing)}` : '';
    const head = [
      state.padEnd(10),
      item.needed ? 'needed  ' : 'optional',
      `${item.path}${count && `: ${count}`}${absent}`,
    ];
    if (state === 'present') return [head.join('  ')];
    return [head.join('  '), ...[`For ${item.purpose}.`, ...howTo(item)].map((line) => `${' '.repeat(22)}${line}`)];
  });
}

const howTo = ({ remote, otherwise }: Item): string[] => [
  ...(remote ? [`--download fetches it from ${remote.file.url}`] : []),
  ...(otherwise ? [otherwise] : []),
];

/** What to do about needed items that are not all there; empty when nothing is needed. */
export function remedyLines(checked: readonly Checked[]): string[] {
  const lacking = checked
    .filter(({ item, found }) => item.needed && stateOf(found) !== 'present')
    .map(({ item }) => item);
  if (lacking.length === 0) return [];
  const automatic = lacking.filter(({ remote }) => remote);
  const byHand = lacking.filter(({ remote }) => !remote);
  return [
    `${lacking.length} needed ${lacking.length === 1 ? 'item is' : 'items are'} not complete.`,
    ...(automatic.length > 0 ? ['Run the command again with --download.'] : []),
    ...byHand.map(({ path, otherwise }) => `${path}: ${otherwise}`),
  ];
}
