import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GlobalOptions } from '../cli/options.ts';
import type { Checksum } from '../data/download.ts';
import type { DatasetKind } from '../data/items.ts';

interface DataOptions {
  readonly root: string;
  readonly download: boolean;
  readonly test: boolean;
  readonly mirror?: string;
  readonly checksum: ReadonlyMap<string, Checksum>;
  readonly proposals?: 'cob' | 'make';
}

/** `train2017.zip=md5:cced…` */
function parseChecksum(text: string, before: ReadonlyMap<string, Checksum>): Map<string, Checksum> {
  const match = /^(.+)=(md5|sha256):([0-9a-f]{8,64})$/i.exec(text);
  if (!match) throw new InvalidArgumentError('It must read like train2017.zip=md5:0123… or …=sha256:0123….');
  const [, name, algorithm, digest] = match;
  const checksum = { algorithm: algorithm.toLowerCase() as Checksum['algorithm'], digest: digest.toLowerCase() };
  return new Map([...before, [name, checksum]]);
}

function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text)) throw new InvalidArgumentError('It must be an http(s) address.');
  return text;
}

/** `cim data voc|coco`: exit code 1 while something needed is missing. */
export function register(program: Command): void {
  const data = program
    .command('data')
    .description('prepare VOC 2012 or COCO 2017 in the layout of the original program, and say what is missing');
  for (const [kind, name] of [
    ['voc', 'VOC 2012'],
    ['coco', 'COCO 2017'],
  ] as const) {
    data
      .command(kind)
      .description(`check ${name}, fetch and convert what is missing`)
      .option('--root <folder>', 'the data folder', 'data')
      .option('--download', 'fetch what is missing and can be fetched; goes on where it was interrupted', false)
      .option('--test', 'also fetch what only test-dev needs (COCO)', false)
      .option('--mirror <url>', 'fetch files of the same names from another server', parseUrl)
      .option('--checksum <file=md5:…>', 'expect another checksum of a file', parseChecksum, new Map())
      .addOption(
        new Option(
          '--proposals <kind>',
          'cob: write cob/*.pkl from the .mat files; make: first make proposals for images that have none, on the GPU',
        ).choices(['cob', 'make']),
      )
      .action((options: DataOptions, command: Command) => run(kind, options, command.optsWithGlobals()));
  }
}

async function run(kind: DatasetKind, options: DataOptions, global: GlobalOptions): Promise<void> {
  const { prepareData } = await import('../data/prepare.ts');
  const { checklistLines, remedyLines } = await import('../data/checklist.ts');
  const { terminalReporter } = await import('../cli/reporter.ts');
  const { withDevice } = await import('../cli/with-device.ts');
  const { checksum: checksums, ...rest } = options;
  const checked = await prepareData(kind, { ...rest, checksums }, (work) => withDevice(global, work), terminalReporter);
  for (const line of checklistLines(checked)) console.log(line);
  const remedy = remedyLines(checked);
  for (const line of remedy) console.error(line);
  if (remedy.length > 0) process.exitCode = 1;
}
