import { type Command, Option } from 'commander';
import { type GlobalOptions, parseCount, parsePositive, parseWhole } from '../cli/options.ts';

interface CommonOptions {
  readonly model: string;
  readonly data: string;
  readonly batch: number;
  readonly size: number;
  readonly strict: boolean;
}
interface TrainOptions extends CommonOptions {
  readonly out: string;
  readonly weights?: string;
  readonly epochs: number;
  readonly lr?: number;
  readonly schedule: 'step' | 'cosine';
  readonly seed: number;
  readonly resume: boolean;
}
interface EvalOptions extends CommonOptions {
  readonly weights: string;
  readonly json?: string;
}

/** `cim imagenet train|eval`: the classifiers that backbones are pre-trained as. */
export function register(program: Command): void {
  const imagenet = program
    .command('imagenet')
    .description('pre-train a backbone as an image classifier on folders of classes, or score one');
  addCommon(imagenet.command('train'))
    .description('train on FOLDER/train/CLASS/*.jpg; the accuracy on FOLDER/val is shown at the end')
    .requiredOption('--out <folder>', 'where the checkpoint and the losses are kept')
    .option('--weights <file>', 'weights to start from, instead of random ones')
    .option('--epochs <n>', 'how often every image is seen', parsePositive, 100)
    .option(
      '--lr <rate>',
      'learning rate of the first steps; default 0.05 for a batch of 128, in proportion to it',
      parsePositive,
    )
    .addOption(
      new Option('--schedule <kind>', 'a tenth of the rate after 30, 60 and 90 % of the steps, or a cosine to 0')
        .choices(['step', 'cosine'])
        .default('step'),
    )
    .option('--seed <n>', 'of initial weights, orders and crops', parseCount, 0)
    .option('--resume', 'go on from the checkpoint in the folder', false)
    .action(async (options: TrainOptions, command: Command) => {
      const { trainCommand } = await import('../imagenet/commands.ts');
      await trainCommand(options, command.optsWithGlobals<GlobalOptions>());
    });
  addCommon(imagenet.command('eval'))
    .description('top-1 and top-5 accuracy of central crops on FOLDER/val/CLASS/*.jpg')
    .requiredOption('--weights <file>', 'a checkpoint of `cim imagenet train`, or published weights')
    .option('--json <file>', 'write the accuracy as JSON')
    .action(async (options: EvalOptions, command: Command) => {
      const { evalCommand } = await import('../imagenet/commands.ts');
      await evalCommand(options, command.optsWithGlobals<GlobalOptions>());
    });
}

const addCommon = (command: Command): Command =>
  command
    .requiredOption(
      '--model <name>',
      'hrnet_w18_small_v1, …_v2, hrnet_w18, w30, w32, w40, w44, w48, w64, resnet50 or vgg16',
    )
    .requiredOption('--data <folder>', 'one folder of images per class below train/ and val/')
    .option('--batch <n>', 'images that go through the network together', parseWhole, 32)
    .option('--size <pixels>', 'side of the square that the network sees', parseWhole, 224)
    .option('--strict', 'stop at the first image that cannot be read', false);
