import * as kernels from '@cim/kernels/proposal/proposal';
import * as reference from '@cim/kernels/proposal/proposal.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('proposal kernels');
const gpuTest = gpuTests({ test });
const { MAPS } = kernels;
const SIZES = [
  { width: 1, height: 1, columns: 1, rows: 1 },
  { width: 5, height: 3, columns: 5, rows: 3 },
  { width: 1, height: 70, columns: 1, rows: 9 },
  { width: 67, height: 41, columns: 8, rows: 5 },
];

for (const shape of SIZES) {
  const { width, height, columns, rows } = shape;
  const n = width * height;
  const name = `${width}×${height}`;
  const rgb = Uint32Array.from(randomArray([n], 1, 0, 2 ** 24), Math.floor);
  const lab = reference.lab(rgb);
  const blurred = reference.blur(lab, shape);
  const plane = (maps: Float32Array, k: number) => maps.subarray(k * n, (k + 1) * n);

  gpuTest(`Lab of ${name}`, async ({ device }) => {
    const { maps } = await runKernel(device, kernels.proposalLab(shape), { rgb, maps: 3 * n });
    expectClose(maps, lab, { absolute: 2e-3 });
  });

  gpuTest(`both Gaussians of ${name}`, async ({ device }) => {
    const along = await runKernel(device, kernels.proposalBlur({ ...shape, axis: 'x' }), { x: lab, y: 6 * n });
    const { y } = await runKernel(device, kernels.proposalBlur({ ...shape, axis: 'y' }), { x: along.y, y: 6 * n });
    expectClose(y, blurred, { absolute: 1e-4 });
  });

  gpuTest(`edges of ${name}`, async ({ device }) => {
    const { maps } = await runKernel(
      device,
      kernels.proposalEdges(shape),
      { blurred, maps: MAPS.count * n },
      { partial: ['maps'] },
    );
    const expected = reference.edges(blurred, shape);
    expectClose(plane(maps, MAPS.edge), expected.subarray(0, n), { absolute: 1e-3 });
    expectClose(plane(maps, MAPS.gradient), expected.subarray(n, 2 * n), { absolute: 1e-3 });
    const sectors = plane(maps, MAPS.orientation);
    // A direction on the line between two sectors may fall to either side.
    const differing = sectors.filter((sector, i) => sector !== expected[2 * n + i]).length;
    assert.ok(differing <= 1 + 0.01 * n, `${differing} of ${n} sectors differ`);
  });

  gpuTest(`SLIC iterations on ${name}`, async ({ device }) => {
    const cells = reference.slicCells(shape);
    const partial = { partial: ['maps'] };
    const start = kernels.slicIteration({ ...shape, compactness: 12, initial: true });
    const buffers = { blurred, previous: [0], sums: 54 * columns * rows, maps: MAPS.count * n };
    const first = await runKernel(device, start, buffers, partial);
    assert.equal([...plane(first.maps, MAPS.label)], [...cells]);

    const kernel = kernels.slicIteration({ ...shape, compactness: 12, initial: false });
    let { sums } = first;
    let labels: ArrayLike<number> = cells;
    for (let iteration = 0; iteration < 3; iteration++) {
      const next = await runKernel(device, kernel, { ...buffers, previous: sums, sums: sums.length }, partial);
      const actual = plane(next.maps, MAPS.label);
      const expected = reference.slicAssign(blurred, reference.slicCentres(blurred, labels, shape), shape, 12);
      for (let i = 0; i < n; i++) {
        if (expected.margins[i] > 1e-3)
          assert.is(actual[i], expected.labels[i], `pixel ${i} of iteration ${iteration}`);
      }
      assert.ok(expected.margins.filter((margin) => margin > 1e-3).length >= 0.95 * n, 'the comparison skips few ties');
      ({ sums } = next);
      labels = actual;
    }
  });
}

test.run();
