/** Objects over a picture, drawn on a canvas. */
import { classColour, inkOn } from '../../../draw/palette.ts';
import type { Layer, MaskedObject, PeakLayer } from '../../wire.ts';
import { maskPath } from './outline.ts';

/** An object and the layer it is of. */
export interface SceneObject {
  readonly layer: Layer;
  readonly object: MaskedObject;
  /** What stands on it; absent for none. */
  readonly label?: string;
}

export interface Scene {
  /** Of the image, pixels. */
  readonly width: number;
  readonly height: number;
  /** The lowest first. */
  readonly objects: readonly SceneObject[];
  readonly peaks?: PeakLayer;
  /** Stands out; the others step back. */
  readonly highlight?: MaskedObject | null;
}

const FILL = 0.36;
const HIGHLIGHT_FILL = 0.5;
const FADED = 0.22;
const HEAT = 0.72;

export const cssColour = (classIndex: number, alpha = 1): string =>
  `rgb(${classColour(classIndex).join(' ')} / ${alpha})`;

/** The colour of an object: its class's, of a proposal in no cluster one by its place in the list. */
const colourOf = ({ class: own }: MaskedObject, place: number): string => cssColour(own ?? place);

/**
 * Draws a scene on a canvas that covers the picture in whatever size it is shown, sharp on screens of any density.
 * @param width of the canvas on the screen, CSS pixels.
 */
export function drawScene(canvas: HTMLCanvasElement, scene: Scene, width: number): void {
  const density = window.devicePixelRatio || 1;
  const scale = (width * density) / scene.width;
  canvas.width = Math.max(1, Math.round(scene.width * scale));
  canvas.height = Math.max(1, Math.round(scene.height * scale));
  const context = canvas.getContext('2d');
  if (!context) return;
  if (scene.peaks) drawHeat(context, scene.peaks);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const line = Math.max(1.1, Math.min(2.2, width / 320)) * (density / scale);
  const { highlight = null, objects } = scene;
  objects.forEach((one, place) => {
    if (one.object !== highlight) drawObject(context, one, place, line, highlight === null ? 1 : FADED);
  });
  const at = objects.findIndex(({ object }) => object === highlight);
  if (at >= 0) drawObject(context, objects[at], at, 1.5 * line, 1, HIGHLIGHT_FILL);
  if (scene.peaks) drawPeaks(context, scene.peaks, scene, line);
  context.setTransform(1, 0, 0, 1, 0, 0);
  objects.forEach((one, place) => {
    if (one.label !== undefined && (highlight === null || one.object === highlight))
      drawLabel(context, one, place, scale, density);
  });
}

function drawObject(
  context: CanvasRenderingContext2D,
  { layer, object }: SceneObject,
  place: number,
  line: number,
  alpha: number,
  fill = layer === 'detections' || layer === 'labels' ? FILL : 0,
): void {
  const path = object.mask ? maskPath(object.mask) : boxPath(object);
  const colour = colourOf(object, place);
  context.lineJoin = 'round';
  if (fill > 0 && object.mask) {
    context.globalAlpha = fill * alpha;
    context.fillStyle = colour;
    context.fill(path, 'evenodd');
  }
  context.globalAlpha = alpha;
  if (layer === 'truth') {
    // White dashes on a dark line are seen on every picture and cannot be taken for what was found.
    context.lineWidth = 1.7 * line;
    context.strokeStyle = 'rgb(0 0 0 / 0.55)';
    context.stroke(path);
    context.lineWidth = 0.95 * line;
    context.strokeStyle = '#fff';
    context.setLineDash([4 * line, 2.6 * line]);
    context.stroke(path);
    context.setLineDash([]);
  } else {
    const thin = layer === 'proposals' && fill === 0;
    context.lineWidth = thin ? 0.7 * line : line;
    context.strokeStyle = colour;
    context.stroke(path);
  }
  context.globalAlpha = 1;
}

function boxPath({ box: [x, y, width, height] }: MaskedObject): Path2D {
  const path = new Path2D();
  path.rect(x, y, width, height);
  return path;
}

/** Responses glow in the colour of their class. */
function drawHeat(context: CanvasRenderingContext2D, { maps }: PeakLayer): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  for (const { class: classIndex, width, height, values } of maps) {
    const bytes = Uint8Array.from(atob(values), (character) => character.charCodeAt(0));
    const image = new ImageData(width, height);
    const [red, green, blue] = classColour(classIndex);
    // The root brings out weak responses beside the peaks.
    bytes.forEach((value, i) => image.data.set([red, green, blue, HEAT * Math.sqrt(255 * value)], 4 * i));
    const small = new OffscreenCanvas(width, height);
    small.getContext('2d')?.putImageData(image, 0, 0);
    context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
  }
}

function drawPeaks(
  context: CanvasRenderingContext2D,
  { peaks }: PeakLayer,
  { width, height }: Scene,
  line: number,
): void {
  for (const { class: classIndex, x, y } of peaks) {
    const [centreX, centreY, radius] = [x * width, y * height, 4.5 * line];
    for (const [lineWidth, colour] of [
      [3.2 * line, 'rgb(0 0 0 / 0.6)'],
      [1.6 * line, '#fff'],
    ] as const) {
      context.lineWidth = lineWidth;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(centreX, centreY, radius, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = cssColour(classIndex);
    context.beginPath();
    context.arc(centreX, centreY, radius - 0.8 * line, 0, 2 * Math.PI);
    context.fill();
  }
}

/** The label stands on the upper left corner of the object, moved to where it is inside the picture. */
function drawLabel(
  context: CanvasRenderingContext2D,
  { object, label = '' }: SceneObject,
  place: number,
  scale: number,
  density: number,
): void {
  const size = Math.max(9, Math.min(12, context.canvas.width / density / 26)) * density;
  const padding = 0.4 * size;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const width = context.measureText(label).width + 2 * padding;
  const height = size + 1.2 * padding;
  const clip = (value: number, limit: number): number => Math.max(0, Math.min(value, limit));
  const left = clip(object.box[0] * scale, context.canvas.width - width);
  const top = clip(object.box[1] * scale - height - 2 * density, context.canvas.height - height);
  context.fillStyle = colourOf(object, place);
  context.beginPath();
  context.roundRect(left, top, width, height, 4 * density);
  context.fill();
  context.fillStyle = inkOn(classColour(object.class ?? place)).every((value) => value === 0) ? '#000' : '#fff';
  context.textBaseline = 'middle';
  context.fillText(label, left + padding, top + height / 2 + 0.5 * density);
}
