/** A trained network on one picture, whatever the platform. */
import { detectInstances } from '@cim/model/infer/detect-instances';
import { imageProposals } from '@cim/model/infer/image-proposals';
import { proposalMask } from '@cim/model/proposals/masks';
import { proposeMasks } from '@cim/model/proposals/proposals';
import { createCim } from '@cim/model/recipe/networks';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Device } from '@cim/runtime';
import { testDriver } from '@cim/runtime/testing';
import { demoScene } from '@cim/tools/demo-data/picture';
import { checkpointFailure } from '@cim/tools/formats/bytes';
import { parseSafetensors } from '@cim/tools/formats/safetensors-content';
import { checkpointOf, loadTrained } from '@cim/tools/pipeline/checkpoint-content';
import { readTestFile, readTestJson } from '../files.ts';

const NETWORK = 'web/network';
const SIZE = { width: 192, height: 144 };

/** What the network found, and of what; everything can be written as JSON. */
export interface Found {
  /** Pixels of each proposal. */
  readonly areas: number[];
  /** Of all proposals, [N, C]. */
  readonly scores: number[];
  readonly antiNoise: number[];
  /** By class, then proposal. */
  readonly detections: { readonly proposal: number; readonly classIndex: number; readonly score: number }[];
}

/** Proposals, scores and detections of one picture of the demo data set. */
export async function detect(): Promise<Found> {
  const device = await Device.open({ driver: testDriver(), tuning: 'off' });
  try {
    const recipe = (await readTestJson(`${NETWORK}/recipe.json`)) as Recipe;
    const file = `${NETWORK}/cim.safetensors`;
    const bytes = await readTestFile(file);
    const read = async (position: number, length: number) => bytes.slice(position, position + length);
    const content = await parseSafetensors({ size: bytes.length, read }, checkpointFailure(file));
    const checkpoint = checkpointOf(content, file, 'cim');
    const cim = createCim(device, recipe, checkpoint.classes.length, null, { trains: false });
    await loadTrained(checkpoint, checkpoint, cim.parameters);

    const image = { ...demoScene(1, 'val', 0, SIZE.width, SIZE.height).image, name: 'demo picture' };
    if (recipe.proposals.type !== 'superpixels') throw new Error('The network is of other proposals.');
    const found = await proposeMasks(device, image, recipe.proposals);
    const proposals = imageProposals(found, { original: SIZE });
    const { scores, refinement } = await detectInstances(device, cim, image, proposals, recipe.test);
    return {
      areas: Array.from({ length: found.count }, (_, n) => proposalMask(found, n).reduce((sum, v) => sum + v, 0)),
      scores: [...scores.refinement],
      antiNoise: [...scores.antiNoise],
      detections: [...refinement],
    };
  } finally {
    await device.close();
  }
}
