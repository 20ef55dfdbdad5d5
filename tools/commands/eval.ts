import { type Command, Option } from 'commander';
import type { Progress } from '../cli/progress.ts';

interface EvalOptions {
  readonly gt: string;
  readonly dt: string;
  readonly type: 'segm' | 'bbox';
  readonly voc: boolean;
  readonly vocBoxes: boolean;
  readonly annotations?: string;
  readonly comp4?: string;
  readonly imageSet: string;
  readonly proposals?: string;
  readonly results?: string;
  readonly json?: string;
}

/** `cim eval`: scores of a result file. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('eval')
    .description('score detections against annotations, as pycocotools and PASCAL VOC do; on the CPU')
    .requiredOption('--gt <file>', 'COCO annotations (.json or .json.gz)')
    .requiredOption(
      '--dt <file>',
      'COCO results (.json or .json.gz), or scores of proposals: detections.pkl, discovery.pkl or .safetensors',
    )
    .addOption(
      new Option('--type <kind>', 'what is compared: masks or boxes').choices(['segm', 'bbox']).default('segm'),
    )
    .option('--voc', 'add the mask AP of every class at IoU .25, .5, .7 and .75', false)
    .option('--proposals <folder>', 'for scores: the data set with COB proposals, or the run that made proposals')
    .option('--results <file>', 'write the instances selected from scores as COCO results')
    .option('--voc-boxes', 'box AP by area and eleven points, and CorLoc, instead', false)
    .option('--annotations <folder>', "for --voc-boxes: VOC's XML files instead of the boxes in --gt")
    .option('--comp4 <folder>', "for --voc-boxes: write VOC's result files comp4_det_SET_CLASS.txt")
    .option('--image-set <name>', 'SET in their names; one with "train" gets the best box of every image', 'val')
    .option('--json <file>', 'write all numbers as JSON')
    .action(async (options: EvalOptions) => {
      const begin = performance.now();
      await (options.vocBoxes ? scoreBoxes(options) : scoreInstances(options));
      // The time origin is the start of the process.
      const [seconds, all] = [performance.now() - begin, performance.now()].map((ms) => (ms / 1000).toFixed(2));
      console.error(`${seconds} s, with the start of the program ${all} s`);
    });
}

async function scoreInstances(options: EvalOptions): Promise<void> {
  const { evaluateFiles } = await import('../evaluate/evaluate-files.ts');
  const { summaryLines } = await import('@cim/model/evaluate/coco');
  const { writeFileAtomic } = await import('../formats/atomic.ts');
  const { progress } = await import('../cli/progress.ts');
  let bar: Progress | undefined;
  const onImage = (total: number): void => (bar ??= progress('Select', total)).advance();
  const { results, coco, voc } = await evaluateFiles({ ...options, onImage }).finally(() => bar?.stop());
  if (options.results !== undefined) {
    const { writeCocoResults } = await import('../results/instances.ts');
    await writeCocoResults(options.results, results);
    console.log(`${results.length} instances: ${options.results}`);
  }
  if (!coco) {
    console.log(`${options.gt} has no annotations to compare with.`);
    return;
  }
  for (const line of summaryLines(coco)) console.log(line);
  if (voc) {
    const { vocTable } = await import('../evaluate/voc-table.ts');
    console.log(`\n${vocTable(voc)}`);
  }
  if (options.json === undefined) return;
  const { stats, byCategory, iouThresholds } = coco;
  await writeFileAtomic(
    options.json,
    JSON.stringify({ type: options.type, stats, iouThresholds, byCategory, voc }, null, 2),
  );
}

async function scoreBoxes({ gt: file, dt, annotations, comp4, imageSet, json }: EvalOptions): Promise<void> {
  const { readGroundTruth } = await import('../datasets/read-ground-truth.ts');
  const { readResults } = await import('../datasets/results.ts');
  const { holdsScores } = await import('../results/holds-scores.ts');
  const { openScores } = await import('../results/open-scores.ts');
  const report = await import('../evaluate/voc-box-report.ts');
  const { vocBoxTable } = await import('../evaluate/voc-table.ts');
  const { writeFileAtomic } = await import('../formats/atomic.ts');
  const gt = await readGroundTruth(file, 'bbox');
  const truth = annotations === undefined ? report.vocTruthOf(gt) : await report.readVocTruth(annotations, gt);
  const boxes = holdsScores(dt)
    ? await report.boxesOfScores(await openScores(dt), gt)
    : report.boxesOfResults(await readResults(dt, gt.images), gt);
  if (comp4 !== undefined) {
    const classes = gt.categories.map(({ name }) => name);
    // For training images the original writes the boxes of which CorLoc is measured.
    const lists = boxes.map(({ detections, best }) => (imageSet.includes('train') ? best : detections));
    await report.writeVocResults(comp4, imageSet, classes, lists);
  }
  const scores = report.vocBoxReport(truth, boxes);
  console.log(vocBoxTable(scores));
  if (json !== undefined) await writeFileAtomic(json, JSON.stringify(scores, null, 2));
}
