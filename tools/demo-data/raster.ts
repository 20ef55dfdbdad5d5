/** A small anti-aliased rasteriser: polygons to coverage, coverage and paint to pixels. */
import type { Colour } from './colour.ts';

export type Point = readonly [x: number, y: number];
/** A closed outline; where it crosses itself the even-odd rule decides. */
export type Polygon = readonly Point[];
/** The colour at a point. */
export type Paint = (x: number, y: number) => Colour;

/** Row-major [height, width, 3], 0 … 1; pixel (x, y) covers [x, x + 1) × [y, y + 1). */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly rgb: Float32Array;
}

/** The share of every pixel inside a shape, for a rectangle of the canvas: row-major [height, width], 0 … 1. */
export interface Coverage {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly alpha: Float32Array;
}

/** Scan lines a pixel row; along x the coverage is exact. */
const SCAN_LINES = 5;

/** The coverage of a polygon, cut to a canvas of `width` × `height` pixels. */
export function coverage(polygon: Polygon, width: number, height: number): Coverage {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  const clip = (value: number, limit: number): number => Math.min(Math.max(value, 0), limit);
  const left = clip(Math.floor(Math.min(...xs)), width);
  const top = clip(Math.floor(Math.min(...ys)), height);
  const columns = clip(Math.ceil(Math.max(...xs)), width) - left;
  const rows = clip(Math.ceil(Math.max(...ys)), height) - top;
  const alpha = new Float32Array(columns * rows);
  for (let line = 0; line < rows * SCAN_LINES; line++) {
    const crossings = crossingsAt(polygon, top + (line + 0.5) / SCAN_LINES);
    const row = Math.floor(line / SCAN_LINES) * columns;
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const start = clip(crossings[i] - left, columns);
      const end = clip(crossings[i + 1] - left, columns);
      for (let x = Math.floor(start); x < end; x++) {
        alpha[row + x] += (Math.min(x + 1, end) - Math.max(x, start)) / SCAN_LINES;
      }
    }
  }
  return { left, top, width: columns, height: rows, alpha };
}

/** The x of every edge that crosses the height y, ascending. */
function crossingsAt(polygon: Polygon, y: number): number[] {
  const crossings: number[] = [];
  let from = polygon[polygon.length - 1];
  for (let i = 0; i < polygon.length; i++) {
    const to = polygon[i];
    if (from[1] <= y !== to[1] <= y) crossings.push(from[0] + ((y - from[1]) * (to[0] - from[0])) / (to[1] - from[1]));
    from = to;
  }
  return crossings.sort((a, b) => a - b);
}

/** Paints over the canvas; `paint` is asked at the centre of every covered pixel. */
export function fill(canvas: Canvas, shape: Coverage, paint: Paint, opacity = 1): void {
  for (let y = 0; y < shape.height; y++) {
    for (let x = 0; x < shape.width; x++) {
      const alpha = shape.alpha[y * shape.width + x] * opacity;
      if (alpha === 0) continue;
      const colour = paint(shape.left + x + 0.5, shape.top + y + 0.5);
      const at = ((shape.top + y) * canvas.width + shape.left + x) * 3;
      for (let c = 0; c < 3; c++) canvas.rgb[at + c] += alpha * (colour[c] - canvas.rgb[at + c]);
    }
  }
}

/** Paints the whole canvas. */
export function flood(canvas: Canvas, paint: Paint): void {
  for (let y = 0, i = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, i += 3) {
      const colour = paint(x + 0.5, y + 0.5);
      canvas.rgb[i] = colour[0];
      canvas.rgb[i + 1] = colour[1];
      canvas.rgb[i + 2] = colour[2];
    }
  }
}

/** The pixels that any of the shapes covers at least by half: row-major [height, width] of 0 and 1. */
export function maskOf(shapes: readonly Coverage[], width: number, height: number): Uint8Array {
  const clear = new Float32Array(width * height).fill(1);
  for (const shape of shapes) {
    for (let y = 0; y < shape.height; y++) {
      for (let x = 0; x < shape.width; x++) {
        clear[(shape.top + y) * width + shape.left + x] *= 1 - shape.alpha[y * shape.width + x];
      }
    }
  }
  const mask = new Uint8Array(clear.length);
  for (let i = 0; i < mask.length; i++) mask[i] = clear[i] <= 0.5 ? 1 : 0;
  return mask;
}

/** Rotation, mirroring and scaling about the origin, then a move: from the coordinates of an object to pixels. */
export interface Pose {
  /** Pixels. */
  readonly x: number;
  readonly y: number;
  /** Pixels a unit, along the object's own axes; negative mirrors. */
  readonly scaleX: number;
  readonly scaleY: number;
  /** Radians, clockwise on the screen. */
  readonly angle: number;
}

export function place(polygon: Polygon, { x, y, scaleX, scaleY, angle }: Pose): Polygon {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return polygon.map(([px, py]) => {
    const [sx, sy] = [px * scaleX, py * scaleY];
    return [x + cos * sx - sin * sy, y + sin * sx + cos * sy];
  });
}

/** `paint`, given in the object's coordinates, in pixels. */
export function placePaint(paint: Paint, { x, y, scaleX, scaleY, angle }: Pose): Paint {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (px, py) => {
    const [dx, dy] = [px - x, py - y];
    return paint((cos * dx + sin * dy) / scaleX, (cos * dy - sin * dx) / scaleY);
  };
}

export function ellipse(x: number, y: number, radiusX: number, radiusY = radiusX, angle = 0): Polygon {
  const circle: Polygon = Array.from({ length: 36 }, (_, i) => {
    const turn = (i / 36) * 2 * Math.PI;
    return [Math.cos(turn), Math.sin(turn)];
  });
  return place(circle, { x, y, scaleX: radiusX, scaleY: radiusY, angle });
}

export function rectangle(left: number, top: number, right: number, bottom: number): Polygon {
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}

/** A closed Catmull–Rom curve through the points. */
export function curve(points: readonly Point[]): Polygon {
  const n = points.length;
  const steps = 8;
  return points.flatMap((p1, i) => {
    const [p0, p2, p3] = [points[(i + n - 1) % n], points[(i + 1) % n], points[(i + 2) % n]];
    return Array.from({ length: steps }, (_, step): Point => {
      const t = step / steps;
      const along = (k: 0 | 1): number =>
        p1[k] +
        0.5 *
          t *
          (p2[k] - p0[k] + t * (2 * p0[k] - 5 * p1[k] + 4 * p2[k] - p3[k] + t * (3 * (p1[k] - p2[k]) + p3[k] - p0[k])));
      return [along(0), along(1)];
    });
  });
}
