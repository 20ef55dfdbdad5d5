/** Everything that is done with one image, stage by stage: what `cim infer` does, with the same code. */
import { classifierInput } from '@cim/model/classify/input';
import { detectInstances } from '@cim/model/infer/detect-instances';
import { imageProposals } from '@cim/model/infer/image-proposals';
import { compileScoring } from '@cim/model/infer/score-proposals';
import { testPasses } from '@cim/model/infer/test-passes';
import { locatePeaks, peakResponses } from '@cim/model/peaks/index';
import { type ProposalOptions, proposeMasks } from '@cim/model/proposals/proposals';
import type { HostImage } from '@cim/model/train/sample';
import { Device } from '@cim/runtime/device';
import { insideSize, resized } from '../../images/size.ts';
import { decodeBlob } from './decode.ts';
import type {
  Finding,
  FoundInstance,
  NetworkFiles,
  NetworkReport,
  ResponseReport,
  Stage,
  StageReport,
} from './messages.ts';
import { type Networks, openNetworks } from './network.ts';

type OnStage = (report: StageReport) => void;

/** A stage that runs: tells how far it is, and at the end how long it took. */
async function timed<T>(
  stage: Stage,
  onStage: OnStage,
  work: (tell: (share: number) => void) => Promise<T>,
): Promise<T> {
  const begin = performance.now();
  const tell = (share: number | null): void => onStage({ stage, share, milliseconds: performance.now() - begin });
  tell(null);
  // A finished share would be the end of the stage.
  const result = await work((share) => tell(Math.min(share, 0.999)));
  tell(1);
  return result;
}

/** The networks of a run on a device of the browser. */
export class InstanceFinder {
  readonly network: NetworkReport;
  readonly #device: Device;
  readonly #networks: Networks;

  /** @throws GpuUnavailableError, CheckpointError or ConfigError, whatever is missing. */
  static async open(files: NetworkFiles, onStage: OnStage): Promise<InstanceFinder> {
    const device = await timed('adapter', onStage, () => Device.open());
    const networks = await timed('network', onStage, (tell) => openNetworks(device, files, tell));
    return new InstanceFinder(device, networks);
  }

  private constructor(device: Device, networks: Networks) {
    this.#device = device;
    this.#networks = networks;
    const { cim, classifier, classes, recipe } = networks;
    const weights = [cim.parameters, ...(classifier ? [classifier.parameters] : [])];
    this.network = {
      adapter: device.adapter,
      recipe: recipe.name,
      classes: classes.map(({ name }) => name),
      parameters: weights.flatMap(({ tensors }) => [...tensors.values()]).reduce((sum, { size }) => sum + size, 0),
      hasClassifier: classifier !== null,
    };
  }

  /**
   * Looks for the instances of an image; every stage tells what it found.
   *
   * @param wanted false when nobody waits for this image any more: the stages that are left are not run.
   * @throws ImageError when it cannot be decoded; what goes wrong on the device.
   */
  async find(
    blob: Blob,
    name: string,
    { onStage, tell, wanted }: { onStage: OnStage; tell: (finding: Finding) => void; wanted: () => boolean },
  ): Promise<void> {
    const device = this.#device;
    const { recipe, cim } = this.#networks;
    const decoded = await timed('decode', onStage, () => decodeBlob(blob, name, insideSize(recipe.workingSize)));
    const { width, height, original } = decoded;
    const image = { ...decoded, name };
    tell({ type: 'image', image: { original, working: { width, height } } });
    if (!wanted()) return;

    const found = await timed('proposals', onStage, () => proposeMasks(device, image, this.#proposalOptions()));
    const proposals = imageProposals(found, { original });
    const { words, count } = proposals.network.masks;
    tell({ type: 'proposals', proposals: { words, count, width, height } });
    if (!wanted()) return;

    if (this.#networks.classifier) {
      tell({ type: 'responses', responses: await timed('responses', onStage, () => this.#responses(image)) });
      if (!wanted()) return;
    }

    if (count === 0) {
      tell({ type: 'instances', instances: [] });
      return;
    }
    const passes = testPasses(recipe.test, Math.max(width, height));
    await timed('compile', onStage, () => compileScoring(device, cim, image, proposals.network, passes));
    const instances = await timed('instances', onStage, async (): Promise<FoundInstance[]> => {
      const { refinement, scores } = await detectInstances(device, cim, image, proposals, recipe.test);
      const { classes } = cim.config;
      return refinement.map((detection) => ({
        ...detection,
        maskIou: scores.maskIou?.[detection.proposal * classes + detection.classIndex] ?? null,
      }));
    });
    tell({ type: 'instances', instances });
  }

  /** COB's proposals come in files of data sets: other images get superpixels, with the usual options. */
  #proposalOptions(): ProposalOptions {
    const { proposals } = this.#networks.recipe;
    return proposals.type === 'superpixels' ? proposals : {};
  }

  /** The classes that the classifier sees, where their peaks are, and what in the image the peaks stand for. */
  async #responses(image: HostImage): Promise<ResponseReport> {
    const device = this.#device;
    const { recipe } = this.#networks;
    const classifier = this.#networks.classifier!;
    const { canvas } = recipe.classifier;
    const seen = canvas ? resized(image, { ...canvas, fit: 'fill' }) : image;
    const input = classifierInput(device, seen);
    const options = { labels: null, threshold: recipe.labels.peakThreshold };
    const { peaks, maps, scores } = await locatePeaks(device, classifier, input, options);
    const responses = await peakResponses(device, classifier, input, peaks);
    input.dispose();
    const { cellSize } = classifier;
    return {
      scores,
      maps,
      grid: { width: seen.width / cellSize, height: seen.height / cellSize },
      canvas: { width: seen.width, height: seen.height },
      peaks: peaks.map((peak, i) => ({ ...peak, response: responses[i] })),
    };
  }
}
