import { boxIou, maskIou, measureMask } from '@cim/model/evaluate/iou';
import { boxRuns, polygonRuns, polygonsRuns } from '@cim/model/evaluate/polygon';
import {
  compressRuns,
  decodeRle,
  mergeRuns,
  parseRle,
  type Rle,
  runsArea,
  runsBox,
  runsOfMask,
  uncompressRuns,
  type XywhBox,
} from '@cim/model/evaluate/rle';
import { readJson } from '../../formats/json-file.ts';
import type { FileKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';

/** [height, width]. */
type Size = readonly [number, number];

interface MeasuredCase {
  readonly name: string;
  readonly size: Size;
  readonly area: number;
  readonly bbox_xywh: readonly number[];
}

interface RleFile {
  readonly masks: readonly (MeasuredCase & { bits_row_major: string; counts: readonly number[]; rle: Rle })[];
  readonly uncompressed: readonly (MeasuredCase & { counts: readonly number[]; rle: Rle })[];
  readonly iou: readonly {
    dt: readonly Rle[];
    gt: readonly Rle[];
    iscrowd: readonly number[];
    iou: readonly (readonly number[])[];
  }[];
  readonly bbox_iou: readonly {
    dt_xywh: readonly XywhBox[];
    gt_xywh: readonly XywhBox[];
    iscrowd: readonly number[];
    iou: readonly (readonly number[])[];
  }[];
  readonly merge: readonly { rles: readonly Rle[]; union: Rle; intersection: Rle }[];
  readonly polygons: readonly (MeasuredCase & {
    polygons: readonly (readonly number[])[];
    each: readonly string[];
    merged: string;
  })[];
  readonly boxes: readonly {
    size: Size;
    xywh: readonly XywhBox[];
    rles: readonly string[];
    area: readonly number[];
  }[];
}

const { exact } = tolerances;

async function check(file: string): Promise<Comparison[]> {
  const golden = (await readJson(file)) as RleFile;
  return [
    ...golden.masks.flatMap(({ name, size, bits_row_major, counts, rle, area, bbox_xywh }) => {
      const mask = Uint8Array.from(bits_row_major, Number);
      const runs = runsOfMask(mask, ...size);
      return [
        compareExactly(`masks.${name}.counts`, [uncompressRuns(runs).counts], [counts]),
        compareExactly(`masks.${name}.rle`, [compressRuns(runs)], [rle]),
        compare(`masks.${name}.bits`, decodeRle(rle), mask, exact),
        compare(`masks.${name}.area`, [runsArea(parseRle(rle))], [area], exact),
        compare(`masks.${name}.bbox`, runsBox(runs), bbox_xywh, exact),
      ];
    }),
    ...golden.uncompressed.flatMap(({ name, size, counts, rle, area, bbox_xywh }) => {
      const runs = parseRle({ size, counts });
      return [
        compareExactly(`uncompressed.${name}.rle`, [compressRuns(runs)], [rle]),
        compare(`uncompressed.${name}.counts`, parseRle(rle).counts, counts, exact),
        compare(`uncompressed.${name}.area`, [runsArea(runs)], [area], exact),
        compare(`uncompressed.${name}.bbox`, runsBox(runs), bbox_xywh, exact),
      ];
    }),
    ...golden.iou.map(({ dt, gt, iscrowd, iou }, i) => {
      const [detections, truths] = [dt, gt].map((masks) => masks.map((rle) => measureMask(parseRle(rle))));
      const actual = detections.flatMap((d) => truths.map((truth, g) => maskIou(d, truth, iscrowd[g] === 1)));
      return compare(`iou.${i}`, actual, iou.flat(), tolerances.maskIou);
    }),
    ...golden.bbox_iou.map(({ dt_xywh, gt_xywh, iscrowd, iou }, i) => {
      const actual = dt_xywh.flatMap((d) => gt_xywh.map((truth, g) => boxIou(d, truth, iscrowd[g] === 1)));
      return compare(`bbox_iou.${i}`, actual, iou.flat(), tolerances.maskIou);
    }),
    ...golden.merge.flatMap(({ rles, union, intersection }, i) => {
      const masks = rles.map(parseRle);
      return [
        compareExactly(`merge.${i}.union`, [compressRuns(mergeRuns(masks, 'union'))], [union]),
        compareExactly(`merge.${i}.intersection`, [compressRuns(mergeRuns(masks, 'intersection'))], [intersection]),
      ];
    }),
    ...golden.polygons.flatMap(({ name, size, polygons, each, merged, area, bbox_xywh }) => {
      const runs = polygonsRuns(polygons, ...size);
      const alone = polygons.map((polygon) => compressRuns(polygonRuns(polygon, ...size)).counts);
      return [
        compareExactly(`polygons.${name}.each`, alone, each),
        compareExactly(`polygons.${name}.merged`, [compressRuns(runs).counts], [merged]),
        compare(`polygons.${name}.area`, [runsArea(runs)], [area], exact),
        compare(`polygons.${name}.bbox`, runsBox(runs), bbox_xywh, exact),
      ];
    }),
    ...golden.boxes.flatMap(({ size, xywh, rles, area }, i) => {
      const masks = xywh.map((box) => boxRuns(box, ...size));
      return [
        compareExactly(
          `boxes.${i}.rles`,
          masks.map((runs) => compressRuns(runs).counts),
          rles,
        ),
        compare(`boxes.${i}.area`, masks.map(runsArea), area, exact),
      ];
    }),
  ];
}

/** rle.json: masks and their encodings, as pycocotools makes them. */
export const rle: FileKind = { pattern: /^([^/]*_)?rle\.json(\.gz)?$/, checkFile: check };
