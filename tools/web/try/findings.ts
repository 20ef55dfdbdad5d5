/** What was found in an image so far, and what of it is drawn. */
import type { Scene } from '../app/draw/scene.ts';
import type { MaskedObject, PeakInfo, ProposalList, ResponseMap } from '../wire.ts';
import type { Finding, FoundInstance, ImageReport, ResponseReport } from './messages.ts';

/** The views of an image, in their order. */
export const VIEWS = {
  instances: 'Instances',
  proposals: 'Proposals',
  responses: 'Class responses',
  evidence: 'Evidence',
} as const;
export type View = keyof typeof VIEWS;

/** Everything about one image; what is not known yet is absent. */
export interface Findings {
  readonly image?: ImageReport;
  readonly proposals?: ProposalList;
  readonly responses?: ResponseReport;
  /** By falling score. */
  readonly instances?: readonly MaskedObject[];
  readonly evidence?: readonly Float32Array[];
}

export function withFinding(findings: Findings, finding: Finding): Findings {
  switch (finding.type) {
    case 'image':
      return { image: finding.image };
    case 'proposals':
      return { ...findings, proposals: finding.proposals };
    case 'responses':
      return { ...findings, responses: finding.responses };
    case 'instances':
      return { ...findings, instances: masked(finding.instances, findings.proposals ?? []) };
    case 'evidence':
      return { ...findings, evidence: finding.evidence };
  }
}

const masked = (instances: readonly FoundInstance[], proposals: ProposalList): MaskedObject[] =>
  instances
    .toSorted((a, b) => b.score - a.score)
    .map(({ proposal, classIndex, score, maskIou }) => ({
      ...proposals[proposal],
      class: classIndex,
      score,
      iou: maskIou ?? undefined,
    }));

/** Whether a view has something to show. */
export const isKnown = (findings: Findings, view: View): boolean => findings[view] !== undefined;

/** What a person has chosen to see. */
export interface Choice {
  readonly view: View;
  /** Instances of a lower score are left out. */
  readonly minScore: number;
  /** How many proposals, the first ones. */
  readonly proposals: number;
  /** The class whose responses and evidence are shown; null for the strongest. */
  readonly classIndex: number | null;
}

/** Instances that are shown, the surest first. */
export const shownInstances = ({ instances = [] }: Findings, { minScore }: Choice): readonly MaskedObject[] =>
  instances.filter(({ score = 0 }) => score >= minScore);

/** The class that is chosen, else the one that the classifier is surest of; null without a classifier. */
export function shownClass({ responses }: Findings, { classIndex }: Choice): number | null {
  if (!responses) return null;
  const { scores } = responses;
  return classIndex ?? scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
}

/** @param highlight an object that stands out; the others step back. */
export function sceneOf(
  findings: Findings,
  choice: Choice,
  classes: readonly string[],
  highlight: MaskedObject | null = null,
): Scene | null {
  if (!findings.image) return null;
  const { working } = findings.image;
  const scene = { ...working, objects: [], highlight };
  switch (choice.view) {
    case 'instances':
      return {
        ...scene,
        objects: shownInstances(findings, choice)
          .toReversed()
          .map((object) => ({
            layer: 'detections',
            object,
            label: `${classes[object.class!]} ${percent(object.score!)}`,
          })),
      };
    case 'proposals':
      return {
        ...scene,
        objects: (findings.proposals ?? [])
          .slice(0, choice.proposals)
          .map((object) => ({ layer: 'proposals', object }) as const),
      };
    case 'responses':
      return { ...scene, peaks: responsePeaks(findings, choice) };
    case 'evidence':
      return { ...scene, peaks: evidencePeaks(findings, choice) };
  }
}

/** What all but few of the pixels that give evidence stay below. */
function bright(map: Float32Array): number {
  const values = map.filter((value) => value > 0).sort();
  return values[Math.floor(BRIGHT * (values.length - 1))];
}
const BRIGHT = 0.97;

/** A score as people read it at a glance. */
export const percent = (score: number): string => `${Math.round(100 * score)} %`;

function responsePeaks(findings: Findings, choice: Choice): Scene['peaks'] {
  const { responses } = findings;
  const classIndex = shownClass(findings, choice);
  if (!responses || classIndex === null) return undefined;
  const { maps, grid } = responses;
  const cells = maps.width * maps.height;
  const strongest = maps.values.reduce((a, b) => Math.max(a, b), 0);
  const map = maps.values.subarray(classIndex * cells, (classIndex + 1) * cells);
  return {
    peaks: peaksOf(responses, classIndex),
    maps: [responseMap(classIndex, map, maps.width, grid, (value) => value / (strongest || 1))],
  };
}

function evidencePeaks(findings: Findings, choice: Choice): Scene['peaks'] {
  const { responses, evidence } = findings;
  const classIndex = shownClass(findings, choice);
  if (!responses || !evidence || classIndex === null) return undefined;
  const { canvas } = responses;
  const own = evidence.filter((_, i) => responses.peaks[i].classIndex === classIndex);
  const most = own.map(bright);
  const together = new Float32Array(canvas.width * canvas.height);
  own.forEach((map, i) => {
    for (let p = 0; p < map.length; p++) together[p] = Math.max(together[p], map[p] / (most[i] || 1));
  });
  return {
    peaks: peaksOf(responses, classIndex),
    // Few pixels are bright: the root lets the others be seen.
    maps: [responseMap(classIndex, together, canvas.width, canvas, Math.sqrt)],
  };
}

const peaksOf = ({ peaks, grid }: ResponseReport, classIndex: number): PeakInfo[] =>
  peaks
    .filter((peak) => peak.classIndex === classIndex)
    .map(({ row, column, score }) => ({
      class: classIndex,
      x: (column + 0.5) / grid.width,
      y: (row + 0.5) / grid.height,
      score,
    }));

/** The part of a map, `stride` wide, that lies over the image. @param strengthOf a value, 0 to 1 */
function responseMap(
  classIndex: number,
  map: Float32Array,
  stride: number,
  grid: { readonly width: number; readonly height: number },
  strengthOf: (value: number) => number,
): ResponseMap {
  const [width, height] = [Math.floor(grid.width), Math.floor(grid.height)];
  let values = '';
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const strength = Math.max(0, Math.min(strengthOf(map[y * stride + x]), 1));
      values += String.fromCharCode(Math.round(255 * strength));
    }
  }
  return { class: classIndex, width, height, values: btoa(values) };
}
