/** Everything that is done with one image, stage by stage: what `cim infer` and `cim prm infer` do, with the same code. */
import type { Kernel } from '@cim/kernels/kernel';
import { classifierInput } from '@cim/model/classify/input';
import { encodeRle } from '@cim/model/evaluate/rle';
import { detectInstances } from '@cim/model/infer/detect-instances';
import { imageProposals } from '@cim/model/infer/image-proposals';
import { rehearseEvidence, rehearsePeaks, rehearseProposals, rehearseScoring } from '@cim/model/infer/rehearse';
import { testPasses } from '@cim/model/infer/test-passes';
import { locatePeaks, peakResponses } from '@cim/model/peaks/index';
import type { Size } from '@cim/model/prm/resample';
import { proposalBoxes, proposalMask } from '@cim/model/proposals/masks';
import { PROPOSAL_DEFAULTS, type Proposals, proposeMasks } from '@cim/model/proposals/proposals';
import type { HostImage } from '@cim/model/train/sample';
import { Device } from '@cim/runtime/device';
import { insideSize, resized, sizeIn } from '../../images/size.ts';
import type { ProposalList } from '../wire.ts';
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

/** Runs a stage, which tells how far it is, and at the end how long it took. */
async function timed<T>(
  stage: Stage,
  onStage: OnStage,
  work: (tell: (share: number) => void) => Promise<T>,
): Promise<T> {
  const begin = performance.now();
  const tell = (share: number | null): void => onStage({ stage, share, milliseconds: performance.now() - begin });
  tell(null);
  // A whole share would be the end of the stage.
  const result = await work((share) => tell(Math.min(share, 0.999)));
  tell(1);
  return result;
}

/** Kernels that compile at the same time. */
const COMPILERS = Math.max(1, Math.floor(navigator.hardwareConcurrency / 2));

/** The networks of a run on a device of the browser. */
export class InstanceFinder {
  readonly network: NetworkReport;
  readonly #device: Device;
  readonly #networks: Networks;
  /** Sizes of images whose kernels are compiled. */
  readonly #prepared = new Set<string>();

  /**
   * @param size of the images that will likely come: their kernels are compiled right away.
   * @throws GpuUnavailableError, CheckpointError or ConfigError, whatever is missing.
   */
  static async open(files: NetworkFiles, size: Size | null, onStage: OnStage): Promise<InstanceFinder> {
    const device = await timed('adapter', onStage, () => Device.open());
    const networks = await timed('network', onStage, (tell) => openNetworks(device, files, tell));
    const finder = new InstanceFinder(device, networks);
    if (size) await finder.#prepare(sizeIn(size, insideSize(networks.recipe.workingSize)), onStage);
    return finder;
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
   * @param blob a file that `checkBlob` has let through.
   * @param wanted false when nobody waits for this image any more: the stages that are left are not run.
   * @throws ImageError when it cannot be decoded; what goes wrong on the device.
   */
  async find(
    blob: Blob,
    name: string,
    { onStage, tell, wanted }: { onStage: OnStage; tell: (finding: Finding) => void; wanted: () => boolean },
  ): Promise<void> {
    const device = this.#device;
    const { recipe, cim, classifier } = this.#networks;
    const decoded = await timed('decode', onStage, () => decodeBlob(blob, name, insideSize(recipe.workingSize)));
    const { width, height, original } = decoded;
    const image = { ...decoded, name };
    tell({ type: 'image', image: { original, working: { width, height } } });
    await this.#prepare(image, onStage);
    if (!wanted()) return;

    const found = await timed('proposals', onStage, () => proposeMasks(device, image, this.#proposalOptions));
    const proposals = imageProposals(found, { original });
    tell({ type: 'proposals', proposals: listed(found) });
    if (!wanted()) return;

    const seen = this.#seen(image);
    const responses = classifier && (await timed('responses', onStage, () => this.#responses(seen)));
    if (responses) tell({ type: 'responses', responses });
    if (!wanted()) return;

    const instances = await timed('instances', onStage, async (): Promise<FoundInstance[]> => {
      if (found.count === 0) return [];
      const { refinement, scores } = await detectInstances(device, cim, image, proposals, recipe.test);
      return refinement.map((detection) => {
        const at = detection.proposal * cim.config.classes + detection.classIndex;
        return { ...detection, maskIou: scores.maskIou?.[at] ?? null };
      });
    });
    tell({ type: 'instances', instances });
    if (!wanted() || !classifier || !responses) return;

    const evidence = await timed('evidence', onStage, async () => {
      const input = classifierInput(device, seen);
      try {
        return await peakResponses(device, classifier, input, responses.peaks);
      } finally {
        input.dispose();
      }
    });
    tell({ type: 'evidence', evidence });
  }

  /** COB's proposals come in files of data sets: other images get superpixels, with the usual options. */
  get #proposalOptions() {
    const { proposals } = this.#networks.recipe;
    return proposals.type === 'superpixels' ? proposals : PROPOSAL_DEFAULTS;
  }

  /** The image as the classifier sees it. */
  #seen(image: HostImage): HostImage {
    const { canvas } = this.#networks.recipe.classifier;
    return canvas ? { ...image, ...resized(image, { ...canvas, fit: 'fill' }) } : image;
  }

  /** Compiles, in parallel, what images of a size need. */
  async #prepare({ width, height }: Size, onStage: OnStage): Promise<void> {
    const key = `${width}×${height}`;
    if (this.#prepared.has(key)) return;
    await timed('kernels', onStage, async (tell) => {
      const kernels = this.#kernels({ width, height });
      const queue = [...kernels];
      const compile = async (): Promise<void> => {
        for (let kernel = queue.shift(); kernel; kernel = queue.shift()) {
          await this.#device.pipelines.compile([kernel]);
          tell(1 - queue.length / kernels.length);
        }
      };
      // All at once would leave the browser no time to draw.
      await Promise.all(Array.from({ length: COMPILERS }, compile));
    });
    this.#prepared.add(key);
  }

  #kernels(size: Size): Kernel[] {
    const device = this.#device;
    const { recipe, cim, classifier } = this.#networks;
    const { superpixels, limit } = this.#proposalOptions;
    const canvas = recipe.classifier.canvas ?? size;
    const passes = testPasses(recipe.test, Math.max(size.width, size.height));
    return device.kernelsOf(() => {
      rehearseProposals(device, size, superpixels);
      if (classifier) rehearsePeaks(device, classifier, canvas);
      rehearseScoring(device, cim, size, limit, passes);
      if (classifier) rehearseEvidence(device, classifier, canvas);
    });
  }

  /** The classes that the classifier sees in the image, and where their peaks are. */
  async #responses(seen: HostImage): Promise<ResponseReport> {
    const device = this.#device;
    const { recipe } = this.#networks;
    const classifier = this.#networks.classifier!;
    const input = classifierInput(device, seen);
    try {
      const options = { labels: null, threshold: recipe.labels.peakThreshold };
      const located = await locatePeaks(device, classifier, input, options);
      const { width, height } = seen;
      const { cellSize } = classifier;
      return { ...located, grid: { width: width / cellSize, height: height / cellSize }, canvas: { width, height } };
    } finally {
      input.dispose();
    }
  }
}

/** Proposals as pages draw them, at working size. */
function listed(proposals: Proposals): ProposalList {
  const { count, width, height } = proposals;
  const boxes = proposalBoxes(proposals);
  return Array.from({ length: count }, (_, n) => {
    const [x1, y1, x2, y2] = boxes.subarray(4 * n, 4 * n + 4);
    const mask = encodeRle(proposalMask(proposals, n), height, width);
    return { class: null, box: [x1, y1, x2 - x1, y2 - y1], mask };
  });
}
