/** A list of images with their labels: a CSV file of two columns. */
import { parse } from 'csv-parse/sync';
import { DataError, reasonOf } from '../errors.ts';
import { readText } from '../formats/json-file.ts';
import type { DatasetClass } from './dataset.ts';
import type { ImageList } from './locate.ts';

const FORMAT_REMEDY = 'The first line is "file,labels"; each line after it reads like "cat.jpg,cat;sofa".';

interface Row {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/**
 * Reads `file,labels`. Labels are class names, separated by ";" (then names may hold spaces), or by spaces if no line of
 * the file holds a ";". Classes are `classes`, or all names in alphabetical order with ids from 1; images have the ids
 * 1, 2, … in file order. An empty labels field is an image without objects.
 *
 * @throws DataError that quotes the file, the line and the value.
 */
export async function readCsv(file: string, classes?: readonly DatasetClass[]): Promise<ImageList> {
  return parseCsv(await readText(file), file, classes);
}

/** `readCsv` of a text; `file` is named in errors. */
export function parseCsv(text: string, file: string, classes?: readonly DatasetClass[]): ImageList {
  let rows: Row[];
  try {
    const options = { bom: true, trim: true, skip_empty_lines: true, info: true, relax_column_count: true };
    rows = parse(text, options) as unknown as Row[]; // the library's types do not know what `info` adds
  } catch (error) {
    throw new DataError(`${file} is not a CSV file: ${reasonOf(error)}.`, FORMAT_REMEDY, { cause: error });
  }
  const header = rows.shift()?.record;
  if (header?.join().toLowerCase() !== 'file,labels') {
    throw new DataError(`${file} starts with the columns "${header?.join() ?? ''}", not "file,labels".`, FORMAT_REMEDY);
  }
  const separator = rows.some(({ record }) => record[1]?.includes(';')) ? ';' : /\s+/;
  const seen = new Set<string>();
  const listed = rows.map(({ record, info }) => {
    const [fileName, labels] = record;
    if (record.length !== 2 || fileName === '') {
      throw new DataError(
        `${file}, line ${info.lines}: "${record.join()}" is not a file and its labels.`,
        FORMAT_REMEDY,
      );
    }
    if (seen.has(fileName)) {
      throw new DataError(`${file}, line ${info.lines}: "${fileName}" stands twice.`, 'Give each file one line.');
    }
    seen.add(fileName);
    return {
      fileName,
      line: info.lines,
      names: labels
        .split(separator)
        .map((name) => name.trim())
        .filter(Boolean),
    };
  });
  const known =
    classes ?? [...new Set(listed.flatMap(({ names }) => names))].sort().map((name, i) => ({ id: i + 1, name }));
  const classIndex = new Map(known.map(({ name }, i) => [name, i]));
  const images = listed.map(({ fileName, line, names }, i) => {
    const labels = new Set(names.map((name) => classIndex.get(name) ?? unknownClass(file, line, name, known)));
    return { id: i + 1, fileName, labels: [...labels].sort((a, b) => a - b), annotations: [] };
  });
  return { classes: known, images };
}

function unknownClass(file: string, line: number, name: string, known: readonly DatasetClass[]): never {
  throw new DataError(
    `${file}, line ${line}: the class "${name}" is not one of ${known.map((c) => c.name).join(', ')}.`,
    'Correct the name, or list the class in the other split too.',
  );
}
