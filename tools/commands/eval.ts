import { type Command, Option } from 'commander';

interface EvalOptions {
  readonly gt: string;
  readonly dt: string;
  readonly type: 'segm' | 'bbox';
  readonly voc: boolean;
  readonly json?: string;
}

/** `cim eval`: scores of a result file. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('eval')
    .description('score detections against annotations as pycocotools does; on the CPU')
    .requiredOption('--gt <file>', 'COCO annotations with masks (.json or .json.gz)')
    .requiredOption('--dt <file>', 'COCO results (.json or .json.gz)')
    .addOption(
      new Option('--type <kind>', 'what is compared: masks or boxes').choices(['segm', 'bbox']).default('segm'),
    )
    .option('--voc', 'add the mask AP of every class at IoU .25, .5, .7 and .75', false)
    .option('--json <file>', 'write all numbers as JSON')
    .action(async (options: EvalOptions) => {
      const { evaluateFiles } = await import('../evaluate/evaluate-files.ts');
      const { summaryLines } = await import('@cim/model/evaluate/coco');
      const { vocTable } = await import('../evaluate/voc-table.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      const { coco, voc } = await evaluateFiles(options);
      for (const line of summaryLines(coco)) console.log(line);
      if (voc) console.log(`\n${vocTable(voc)}`);
      if (options.json === undefined) return;
      const { stats, byCategory, iouThresholds } = coco;
      await writeFileAtomic(
        options.json,
        JSON.stringify({ type: options.type, stats, iouThresholds, byCategory, voc }, null, 2),
      );
    });
}
