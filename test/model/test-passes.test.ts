import { testPasses } from '@cim/model/infer/test-passes';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('test passes');

test('the ten passes of the original, in its order', () => {
  const passes = testPasses({ scales: [480, 576, 688, 864, 1200], unit: 'pixels', flip: true }, 500);
  assert.equal(
    passes.map(({ size, flip }) => `${flip ? 'flip@' : ''}${size}`),
    ['flip@480', '576', 'flip@576', '688', 'flip@688', '864', 'flip@864', '1200', 'flip@1200', '480'],
  );
});

test('scales may be multiples of the image, and stay as they are without mirroring', () => {
  assert.equal(testPasses({ scales: [1, 1.5], unit: 'image', flip: false }, 101), [
    { size: 152, flip: false },
    { size: 101, flip: false },
  ]);
});

test.run();
