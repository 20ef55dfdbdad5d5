/** Small networks and made-up samples for tests of training. */
import type { CimConfig } from '@cim/model/cim';
import { clipBoxes, cropPackedMaskArea, packedMaskBox, packMasks } from '@cim/model/masks/index';
import type { SolverConfig } from '@cim/model/solver/solver';
import type { HostSample } from '@cim/model/train/sample';
import { Generator } from '@cim/runtime';

/** A network of a few hundred weights. */
export const tinyConfig: CimConfig = {
  classes: 3,
  backbone: { type: 'residual', stemChannels: 4, stages: [{ channels: 8, blocks: 1, stride: 2 }] },
  region: { channels: 8, hidden: 16, fuseMasks: true },
  branches: 3,
  strategy: 'cim',
  seedFraction: 0.2,
  thresholdStep: 0.1,
  containmentThreshold: 0.85,
  antiNoiseBranch: true,
  antiNoiseSampling: true,
  clusterLoss: true,
  maskIouHead: true,
  bigProposalsAreBackground: false,
};

export const tinySolver: SolverConfig = {
  type: 'adamw',
  betas: [0.9, 0.999],
  weightDecay: 5e-4,
  biasDecay: false,
  biasLrFactor: 1,
  lrFactors: [],
  clipNorm: null,
  schedule: { baseLr: 3e-3, warmupSteps: 5, warmupFactor: 1 / 3, decay: { type: 'step', decaySteps: [], gamma: 0.1 } },
};

/** An image of noise with one rectangle in its class's colour; proposals are rectangles, some on the object. */
export function makeSample(seed: number, width: number, height: number): HostSample {
  const generator = new Generator(seed);
  const { classes } = tinyConfig;
  const label = generator.integer(classes);
  const rgb = Uint8Array.from({ length: width * height * 3 }, () => generator.integer(120));
  const place = (): [number, number, number, number] => {
    const w = 6 + generator.integer(Math.floor(width / 3));
    const h = 6 + generator.integer(Math.floor(height / 3));
    const x = generator.integer(width - w);
    const y = generator.integer(height - h);
    return [x, y, x + w, y + h];
  };
  const object = place();
  paint(object, (i) => {
    rgb[3 * i + label] = 255;
  });
  const boxes = [
    object,
    ...Array.from({ length: 8 }, place),
    [object[0], object[1], object[2], object[3] - 2] as const,
  ];
  const bytes = new Uint8Array(boxes.length * width * height);
  boxes.forEach((box, n) =>
    paint(box, (i) => {
      bytes[n * width * height + i] = 1;
    }),
  );
  function paint([x1, y1, x2, y2]: readonly number[], draw: (pixel: number) => void): void {
    for (let y = y1; y < y2; y++) for (let x = x1; x < x2; x++) draw(y * width + x);
  }
  const count = boxes.length;
  const masks = packMasks(bytes, count, width, height);
  const regionMasks = boxes.flatMap((_, n) => [...cropPackedMaskArea(masks, n, packedMaskBox(masks, n)!)]);
  const clusters = new Float32Array(count * (classes + 1));
  for (const n of [0, count - 1]) clusters[n * (classes + 1) + label + 1] = 1;
  for (let n = 1; n < 4; n++) clusters[n * (classes + 1)] = 2;
  const labels = new Float32Array(classes);
  labels[label] = 1;
  return {
    image: { name: `made-up ${seed}`, width, height, rgb },
    proposals: {
      masks,
      boxes: clipBoxes(boxes.flat(), width, height),
      regionMasks: Float32Array.from(regionMasks),
    },
    labels,
    clusters,
  };
}
