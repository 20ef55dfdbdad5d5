/** The page: a picture made of shapes, what three kernels make of it, and whether the CPU agrees. */
import { compareMasks, cropBoxes, findEdges } from './vision.js';

const WIDTH = 240;
const HEIGHT = 160;
const CROP = 64;
/** Ellipses: centre, radii, colour. The second lies inside the first, the third overlaps it. */
const SHAPES = [
  { name: 'leaf', x: 80, y: 76, rx: 58, ry: 52, colour: '#2f7d4f' },
  { name: 'ladybird', x: 92, y: 84, rx: 24, ry: 20, colour: '#c8362d' },
  { name: 'pebble', x: 132, y: 108, rx: 40, ry: 28, colour: '#7d8796' },
  { name: 'sun', x: 206, y: 34, rx: 22, ry: 22, colour: '#f2b632' },
];

const context = (id) => document.getElementById(id).getContext('2d');

function drawScene() {
  const scene = context('scene');
  scene.fillStyle = '#dfe9f2';
  scene.fillRect(0, 0, WIDTH, HEIGHT);
  for (const { x, y, rx, ry, colour } of SHAPES) {
    scene.fillStyle = colour;
    scene.beginPath();
    scene.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
    scene.fill();
  }
  return scene.getImageData(0, 0, WIDTH, HEIGHT).data;
}

/** f32 [3, height, width] of RGBA bytes. */
function planesOf(rgba) {
  const plane = WIDTH * HEIGHT;
  return Float32Array.from({ length: 3 * plane }, (_, i) => rgba[4 * (i % plane) + Math.floor(i / plane)] / 255);
}

const maskOf = ({ x, y, rx, ry }) =>
  Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const dx = ((i % WIDTH) + 0.5 - x) / rx;
    const dy = (Math.floor(i / WIDTH) + 0.5 - y) / ry;
    return dx * dx + dy * dy <= 1 ? 1 : 0;
  });

/** Draws size.width × size.height pixels whose red, green and blue are `colour(pixel)`, 0 to 1. */
function drawPixels(canvas, left, size, colour) {
  const image = canvas.createImageData(size.width, size.height);
  for (let i = 0; i < size.width * size.height; i++) {
    image.data.set([...colour(i).map((share) => 255 * share), 255], 4 * i);
  }
  canvas.putImageData(image, left, 0);
}

function drawMatrix(values) {
  const table = document.getElementById('iou');
  const cell = (row, tag, text) => {
    const element = row.appendChild(document.createElement(tag));
    element.textContent = text;
    return element;
  };
  const head = table.createTHead().insertRow();
  cell(head, 'td', '');
  for (const { name } of SHAPES) cell(head, 'th', name).scope = 'col';
  const body = table.createTBody();
  SHAPES.forEach(({ name }, i) => {
    const row = body.insertRow();
    cell(row, 'th', name).scope = 'row';
    SHAPES.forEach((_, j) => {
      const value = values[i * SHAPES.length + j];
      cell(row, 'td', value.toFixed(2)).style.background = `rgb(47 125 79 / ${value * 0.6})`;
    });
  });
}

const largestDifference = ({ gpu, cpu }) => gpu.reduce((most, value, i) => Math.max(most, Math.abs(value - cpu[i])), 0);

async function main() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter)
    throw new Error('This browser offers no WebGPU adapter: use a current one, with hardware acceleration on.');
  const device = await adapter.requestDevice();
  device.onuncapturederror = ({ error }) => report('failed', error.message);

  const image = { pixels: planesOf(drawScene()), width: WIDTH, height: HEIGHT };
  const boxes = SHAPES.map(({ x, y, rx, ry }) => [x - rx, y - ry, x + rx, y + ry]);
  const results = {
    edges: await findEdges(device, image),
    crops: await cropBoxes(device, image, boxes, CROP),
    iou: await compareMasks(device, SHAPES.map(maskOf)),
  };

  drawPixels(context('edges'), 0, image, (i) => Array(3).fill(1 - Math.min(1, results.edges.gpu[i])));
  const area = CROP * CROP;
  boxes.forEach((_, box) =>
    drawPixels(context('crops'), box * (CROP + 8), { width: CROP, height: CROP }, (i) =>
      [0, 1, 2].map((channel) => results.crops.gpu[(3 * box + channel) * area + i]),
    ),
  );
  drawMatrix(results.iou.gpu);

  const differences = Object.entries(results).map(([name, result]) => [name, largestDifference(result)]);
  const agree = differences.every(([, difference]) => difference < 1e-4);
  const list = differences.map(([name, difference]) => `${name} ${difference.toExponential(1)}`).join(', ');
  report(agree ? 'passed' : 'failed', `Largest differences from the CPU references: ${list}.`);
}

function report(state, text) {
  const status = document.getElementById('status');
  status.textContent = text;
  status.dataset.state = state;
}

main().catch((error) => report('failed', error.message));
