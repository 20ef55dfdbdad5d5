import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { parseCount, parseNumber, parsePositive, parseShare } from '../cli/options.ts';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

interface TrainOptions extends RunCommandOptions {
  readonly epochs?: number;
  readonly weights?: string;
  readonly resume: boolean;
}
interface CueOptions {
  readonly out: string;
  readonly split: 'train' | 'val';
  readonly images?: string;
  readonly cues?: string;
}
interface InferOptions extends RunCommandOptions, CueOptions {
  readonly labels?: 'given' | 'predicted';
  readonly peakThreshold?: number;
}
interface RetrieveOptions extends RunCommandOptions, CueOptions {
  readonly alpha: number;
  readonly beta: number;
  readonly background: number;
  readonly contour: number;
  readonly minArea: number;
  readonly maxArea: number;
  readonly proposals: number;
  readonly nms: number;
  readonly nmsScope: 'class' | 'all';
}
interface DrawOptions extends CueOptions {
  readonly data: string;
  readonly pictures?: string;
  readonly limit?: number;
}

const splitOption = () =>
  new Option('--split <name>', 'the part of the data set').choices(['train', 'val']).default('val');
const imagesOption = ['--images <folder>', 'instead of a split, every image of a folder'] as const;

/** The run's folder for what was seen in a split or a folder of images. */
const cueFolder = ({ out, split, images, cues }: CueOptions): string =>
  cues ?? join(out, 'prm', images === undefined ? split : basename(resolve(images)));

/** `cim prm`: peak response mapping by itself. */
export function register(program: Command): void {
  const prm = program.command('prm').description('peak response mapping: instances from an image classifier');

  addRunOptions(prm.command('train'), 'prm')
    .description('train the classifier on image labels, by default a ResNet-50 from ImageNet weights')
    .addOption(
      new Option('--epochs <count>', "times that every image is seen, instead of the recipe's steps")
        .argParser(parsePositive)
        .conflicts('cfg'),
    )
    .addOption(new Option('--weights <file>', 'weights to start from (.pth, .safetensors)').conflicts('cfg'))
    .option('--resume', 'go on from the checkpoint in the folder', false)
    .action(train);

  addRunOptions(prm.command('infer'), 'prm')
    .description("write class responses, peaks and peak responses of images, with a run's classifier")
    .addOption(splitOption())
    .option(...imagesOption)
    .addOption(
      new Option(
        '--labels <source>',
        'look for the classes that the data set gives an image, or for those the classifier finds; default: given, predicted with --images',
      ).choices(['given', 'predicted']),
    )
    .option('--peak-threshold <response>', "response above which every peak counts; default: the recipe's", parseNumber)
    .option('--cues <folder>', 'where they go; default: prm/<split> in the run')
    .action(infer);

  addRunOptions(prm.command('retrieve'), 'prm')
    .description('choose a proposal for every peak; writes COCO results (cues and proposals are made if missing)')
    .addOption(splitOption())
    .option('--cues <folder>', 'where the cues are and the results go; default: prm/<split> in the run')
    .option('--alpha <weight>', "of a peak's response inside the mask", parsePositive, 0.8)
    .option('--beta <weight>', 'of every pixel of the mask where the class does not respond', parseNumber, 1e-5)
    .option('--background <factor>', "there the response is below this multiple of the map's mean", parsePositive, 0.95)
    .option('--contour <pixels>', "width of the mask's contour on the canvas, odd", parseCount, 5)
    .option('--min-area <share>', 'of the image that a mask must have', parseShare, 0.00002)
    .option('--max-area <share>', 'of the image that a mask may not reach', parseShare, 0.85)
    .option('--proposals <count>', 'how many of an image are looked at, the first ones', parseCount, 100)
    .option('--nms <iou>', 'mask IoU from which the weaker instance is left out', parseShare, 0.3)
    .addOption(
      new Option('--nms-scope <scope>', 'instances compete within their class, or all with all as in the original')
        .choices(['class', 'all'])
        .default('class'),
    )
    .action(retrieve);

  prm
    .command('draw')
    .description('pictures of class responses, peaks, peak responses and retrieved instances; on the CPU')
    .requiredOption('--data <folder>', 'the data set')
    .requiredOption('--out <folder>', "the run's folder")
    .addOption(splitOption())
    .option(...imagesOption)
    .option('--cues <folder>', 'where the cues are; default: prm/<split> in the run')
    .option('--limit <count>', 'draw so many images, spread over the split (default: all)', parseCount)
    .option('--pictures <folder>', 'where the PNG files go, and contact-sheet.png; default: pictures beside the cues')
    .action(draw);
}

/** Runs on the recipe `prm` where neither the user nor the folder says otherwise. */
async function withPrmRun(
  command: Command,
  options: RunCommandOptions,
  work: (run: import('../pipeline/run.ts').Run) => Promise<void>,
): Promise<void> {
  const { begun, withRun } = await import('../cli/run-command.ts');
  const chosen = options.preset !== undefined || options.cfg !== undefined || begun(options.out);
  const preset = chosen ? options.preset : 'prm';
  await withRun(command, { ...options, preset }, work);
}

async function train({ epochs, weights, resume, ...options }: TrainOptions, command: Command): Promise<void> {
  const { begun } = await import('../cli/run-command.ts');
  const { refuseBegun } = await import('../pipeline/run.ts');
  const { stepsOfEpochs, trainPrm } = await import('../prm/train.ts');
  if (!resume) refuseBegun(options.out);
  const set = [...options.set];
  if (weights !== undefined) set.push(`classifier.weights=${JSON.stringify(weights)}`);
  if (epochs !== undefined) {
    const preset = options.preset ?? (begun(options.out) ? join(options.out, 'recipe.json') : 'prm');
    const steps = await stepsOfEpochs(options.data, epochs, { preset, set });
    set.push(`classifier.training.steps=${steps}`);
  }
  await withPrmRun(command, { ...options, set }, async (run) => {
    const { map } = await trainPrm(run);
    console.log(`Classification mAP on ${run.val.name}: ${map.toFixed(1)} %`);
    console.log(`Weights: ${run.folder.classifier}`);
  });
}

async function infer(options: InferOptions, command: Command): Promise<void> {
  const { imagesOfFolder, inferCues, requireClassifier } = await import('../prm/infer.ts');
  await withPrmRun(command, options, async (run) => {
    await requireClassifier(run);
    const folder = cueFolder(options);
    const { images } = await inferCues(run, {
      images: options.images === undefined ? run[options.split].images : await imagesOfFolder(options.images),
      labels: options.labels ?? (options.images === undefined ? 'given' : 'predicted'),
      peakThreshold: options.peakThreshold ?? run.recipe.labels.peakThreshold,
      folder,
    });
    const peaks = images.reduce((sum, image) => sum + image.peaks.length, 0);
    console.log(`${peaks} peaks in ${images.length} images: ${folder}`);
  });
}

async function retrieve(options: RetrieveOptions, command: Command): Promise<void> {
  const { retrieveRun } = await import('../prm/retrieve-run.ts');
  await withPrmRun(command, options, async (run) => {
    const { results, file, lines } = await retrieveRun(run, options.split, cueFolder(options), {
      balance: options.alpha,
      penalty: options.beta,
      backgroundFactor: options.background,
      contourWidth: options.contour,
      areaLimits: [options.minArea, options.maxArea],
      proposals: options.proposals,
      nmsThreshold: options.nms,
      nmsScope: options.nmsScope,
    });
    for (const line of lines) console.log(line);
    console.log(`${results.length} instances: ${file}`);
  });
}

async function draw(options: DrawOptions): Promise<void> {
  const { drawCueFolder } = await import('../prm/draw.ts');
  const folder = cueFolder(options);
  const out = options.pictures ?? join(folder, 'pictures');
  const count = await drawCueFolder({ ...options, folder, out, report: ({ message }) => console.error(message) });
  console.log(`${count} pictures: ${out}`);
}
