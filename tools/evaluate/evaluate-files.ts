import { type CocoEvaluation, evaluateCoco } from '@cim/model/evaluate/coco';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { type VocReport, vocReport } from '@cim/model/evaluate/voc-report';
import { readGroundTruth } from '../datasets/read-ground-truth.ts';
import { parseResults } from '../datasets/results.ts';
import { ConfigError } from '../errors.ts';
import { readText } from '../formats/json-file.ts';
import { holdsScores } from '../results/holds-scores.ts';

export interface DetectionFiles {
  /** COCO annotations. */
  readonly gt: string;
  /** COCO results, or scores of proposals (.pkl, .safetensors) from which instances are selected. */
  readonly dt: string;
  /** For masks from scores: where the proposals are. */
  readonly proposals?: string;
  /** Told of every image whose instances are selected, with their number. */
  readonly onImage?: (total: number) => void;
}

/** Annotations and the detections to be scored against them. @throws DataError, CheckpointError, ConfigError */
async function readDetections(
  { gt: annotations, dt, proposals, onImage }: DetectionFiles,
  type: 'segm' | 'bbox',
): Promise<{ gt: CocoJson; results: CocoResult[] }> {
  if (!holdsScores(dt)) {
    // Results are read and unpacked while annotations are parsed.
    const [gt, text] = await Promise.all([readGroundTruth(annotations, type), readText(dt)]);
    return { gt, results: await parseResults(text, dt, gt.images) };
  }
  if (type === 'segm' && proposals === undefined) {
    throw new ConfigError(
      `${dt} holds scores of proposals, not their masks.`,
      'Say with --proposals where the proposals are: the folder of the data set with COB, or of the run.',
    );
  }
  // Results of COCO are scored without loading all of this.
  const { instanceResults } = await import('../results/instances.ts');
  const { openScores } = await import('../results/open-scores.ts');
  const gt = await readGroundTruth(annotations, type);
  const images = gt.images.map(({ id, file_name: fileName, width, height }) => ({ id, fileName, width, height }));
  const results: CocoResult[] = [];
  const found = instanceResults({
    source: await openScores(dt),
    images: images.sort((a, b) => a.id - b.id),
    categories: gt.categories,
    proposals: type === 'segm' ? proposals : undefined,
    onImage: () => onImage?.(images.length),
  });
  for await (const instances of found) for (const instance of instances) results.push(instance);
  return { gt, results };
}

export interface EvaluateFilesOptions extends DetectionFiles {
  readonly type: 'segm' | 'bbox';
  /** Adds the mask report of PASCAL VOC. */
  readonly voc: boolean;
}

export interface FileScores {
  readonly results: readonly CocoResult[];
  /** Absent where there are no annotations to compare with, as for test-dev. */
  readonly coco?: CocoEvaluation;
  readonly voc?: VocReport;
}

/** Scores one file against another. @throws DataError, CheckpointError, ConfigError, EvaluationError */
export async function evaluateFiles(options: EvaluateFilesOptions): Promise<FileScores> {
  const { type, voc } = options;
  const { gt, results } = await readDetections(options, type);
  if (gt.annotations.length === 0) return { results };
  return { results, coco: evaluateCoco(gt, results, { type }), voc: voc ? vocReport(gt, results) : undefined };
}
