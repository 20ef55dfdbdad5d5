/** What the network of a checkpoint finds in some validation images, while the training waits. */
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { groundTruth } from '../datasets/ground-truth.ts';
import { DataError } from '../errors.ts';
import { scoreResults } from './evaluate.ts';
import { cocoResults, inferImages } from './infer.ts';
import type { Preview, PreviewSample } from './monitor.ts';
import type { Run } from './run.ts';

/** Images whose detections are kept, and the lowest score of one. */
const SAMPLES = 12;
const SAMPLE_SCORE = 0.3;

/** The validation images of a preview, spread over the split. */
export const previewImages = ({ val, preview }: Pick<Run, 'val' | 'preview'>): Run['val']['images'] => {
  const count = Math.min(preview, val.images.length);
  return Array.from({ length: count }, (_, i) => val.images[Math.floor((i * val.images.length) / count)]);
};

/** Makes a preview with the network of the run's checkpoint. Draws no random number, so that the training stays the same. */
export async function previewNetwork(run: Run): Promise<Preview> {
  const entries = previewImages(run);
  const quiet = { ...run, report: { ...run.report, progress: () => ({ advance() {}, stop() {} }) } };
  const results = [];
  const samples: PreviewSample[] = [];
  for await (const found of inferImages(quiet, 'Preview', entries)) {
    const detections = cocoResults(run, found, 'refinement');
    results.push(...detections);
    if (samples.length === SAMPLES) continue;
    const { id, fileName: name } = found.entry;
    const shown = found.refinement
      .map(({ classIndex, score, proposal }) => ({
        class: classIndex,
        score,
        mask: found.proposals.fileMask(proposal),
      }))
      .filter(({ score }) => score >= SAMPLE_SCORE);
    samples.push({ id, name, ...found.size, detections: shown });
  }
  const truth = annotated({ ...run.val, images: entries });
  if (!truth) return { samples };
  const { mAP25, mAP50, mAP70, mAP75, AP } = scoreResults(truth, results, '', 0);
  return { samples, scores: { mAP25, mAP50, mAP70, mAP75, AP } };
}

/** Null where objects have no masks: then there is nothing to compare with. */
function annotated(val: Run['val']): CocoJson | null {
  try {
    return groundTruth(val);
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}
