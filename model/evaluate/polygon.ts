/** Polygons and boxes to masks, pixel for pixel as pycocotools (maskApi.c, rleFrPoly and rleFrBbox). */
import { MaskError, mergeRuns, type Runs, type XywhBox } from './rle.ts';

const SCALE = 5;
/** Steps along a boundary, five a pixel: thousands of times around any image, and little memory. */
const LONGEST_BOUNDARY = 2 ** 24;

/**
 * Rasterises one polygon. `vertices` is x0, y0, x1, y1, … in pixels; parts outside the image are cut off.
 * The boundary is drawn on a grid five times finer; where it crosses the middle of a pixel column, an object run begins
 * or ends. `Math.trunc` stands where the C source casts to int, which matters for negative coordinates.
 * @throws MaskError when the boundary is absurdly long.
 */
export function polygonRuns(vertices: ArrayLike<number>, height: number, width: number): Runs {
  const { columns, rows } = traceBoundary(vertices);
  const crossings: number[] = [];
  for (let i = 1; i < columns.length; i++) {
    if (columns[i] === columns[i - 1]) continue;
    const fineX = columns[i] < columns[i - 1] ? columns[i] : columns[i] - 1;
    const x = (fineX + 0.5) / SCALE - 0.5;
    if (Math.floor(x) !== x || x < 0 || x > width - 1) continue;
    const y = (Math.min(rows[i], rows[i - 1]) + 0.5) / SCALE - 0.5;
    crossings.push(x * height + Math.ceil(Math.min(Math.max(y, 0), height)));
  }
  crossings.push(height * width);
  return { height, width, counts: countsBetween(Uint32Array.from(crossings).sort()) };
}

/** Points of the closed boundary on the fine grid, one for each step along the longer axis of each edge. */
function traceBoundary(vertices: ArrayLike<number>): { columns: number[]; rows: number[] } {
  const corners = Math.floor(vertices.length / 2);
  const fine = (corner: number, axis: 0 | 1): number =>
    Math.trunc(SCALE * vertices[2 * (corner % corners) + axis] + 0.5);
  const columns: number[] = [];
  const rows: number[] = [];
  let length = 0;
  for (let corner = 0; corner < corners; corner++) {
    length += Math.max(
      Math.abs(fine(corner + 1, 0) - fine(corner, 0)),
      Math.abs(fine(corner + 1, 1) - fine(corner, 1)),
    );
  }
  if (!(length <= LONGEST_BOUNDARY)) {
    throw new MaskError(
      `A polygon of ${corners} corners has a boundary of ${length / SCALE} pixels.`,
      'Polygons are x0, y0, x1, y1, … in pixels of the image.',
    );
  }
  for (let corner = 0; corner < corners; corner++) {
    let [startX, startY] = [fine(corner, 0), fine(corner, 1)];
    let [endX, endY] = [fine(corner + 1, 0), fine(corner + 1, 1)];
    const lengthX = Math.abs(endX - startX);
    const lengthY = Math.abs(endY - startY);
    const alongX = lengthX >= lengthY;
    // Drawn towards growing coordinates, so that an edge gives the same points in both directions.
    const flip = alongX ? startX > endX : startY > endY;
    if (flip) [startX, startY, endX, endY] = [endX, endY, startX, startY];
    const steps = alongX ? lengthX : lengthY;
    const slope = steps === 0 ? 0 : (alongX ? endY - startY : endX - startX) / steps;
    for (let step = 0; step <= steps; step++) {
      const t = flip ? steps - step : step;
      columns.push(alongX ? startX + t : Math.trunc(startX + slope * t + 0.5));
      rows.push(alongX ? Math.trunc(startY + slope * t + 0.5) : startY + t);
    }
  }
  return { columns, rows };
}

/** Run lengths between sorted crossings; two crossings at one place cancel out. */
function countsBetween(crossings: Uint32Array): Uint32Array {
  const counts = [crossings[0]];
  for (let i = 1; i < crossings.length; i++) {
    const length = crossings[i] - crossings[i - 1];
    if (length > 0) {
      counts.push(length);
    } else if (++i < crossings.length) {
      counts[counts.length - 1] += crossings[i] - crossings[i - 1];
    }
  }
  return Uint32Array.from(counts);
}

/** The union of an object's polygons, as COCO annotations list them. */
export const polygonsRuns = (polygons: readonly ArrayLike<number>[], height: number, width: number): Runs =>
  mergeRuns(
    polygons.map((polygon) => polygonRuns(polygon, height, width)),
    'union',
  );

/** The mask of a box. */
export const boxRuns = ([x, y, boxWidth, boxHeight]: XywhBox, height: number, width: number): Runs =>
  polygonRuns([x, y, x, y + boxHeight, x + boxWidth, y + boxHeight, x + boxWidth, y], height, width);
