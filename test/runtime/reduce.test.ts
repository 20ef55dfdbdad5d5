import * as reference from '@cim/kernels/reduce/reduce.reference';
import { functional as F } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('sums');
const device = await testDevice();

// One element, one share, two shares, more than the largest number of shares.
for (const n of [1, 63, 4096, 4097, 70001, 2_000_003]) {
  test(`of ${n} elements`, async () => {
    const data = randomArray([n], 1, 0, 1);
    const x = device.tensor(data);
    const total = await F.sum(device, x).read();
    expectClose(total, [reference.sum(data)], { relative: 1e-5 });
    const squares = F.sumOfSquares(device, x);
    assert.equal(squares.shape, [1]);
    expectClose(await squares.read(), [reference.sumOfSquares(data)], { relative: 1e-5 });
    assert.equal(await F.sum(device, x).read(), total, 'the same bits again');
  });
}

test.run();
