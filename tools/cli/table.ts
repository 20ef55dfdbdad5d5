import Table from 'cli-table3';

/** Columns for a terminal or a log: the first one to the left, the others, numbers, to the right. Colourless. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const plain = Object.fromEntries(
    ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
      ['', '-mid', '-left', '-right'].map((part) => [`${side}${part}`, '']),
    ),
  );
  const table = new Table({
    head: [...head],
    chars: { ...plain, middle: '  ' },
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
