/**
 * `detections.pkl` and `discovery.pkl` as test_net.py writes them: a pickled dict {'all_boxes': {path of the image: {'scores':
 * float32 [N, C], 'boxes': float32 [N, 4]}}, 'cfg': YAML text}. So do the parts `detection_range_*.pkl` of several GPUs.
 */
import { DataError } from '../errors.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { NdArray } from '../formats/ndarray.ts';
import { PickleWriter } from '../formats/pickle/writer.ts';
import { readPickle } from '../formats/pickle.ts';
import type { ScoreSource } from './scores.ts';

/**
 * Writes scores, an image at a time.
 *
 * @param cfg text under the key `cfg`: the settings.
 * @throws OutputError when it cannot be written.
 */
export const writeDetectionsPickle = (path: string, source: ScoreSource, cfg: string): Promise<void> =>
  writeFileAtomic(path, encode(source, cfg));

async function* encode(source: ScoreSource, cfg: string): AsyncIterable<Uint8Array> {
  const writer = new PickleWriter();
  writer.opcode('\x80').byte(4).opcode('}').opcode('(');
  yield* writer.save('all_boxes');
  writer.opcode('}');
  for (const [i, { file, count }] of source.images.entries()) {
    const { scores, boxes } = await source.read(i);
    writer.opcode('(');
    yield* writer.save(file);
    yield* writer.save({
      scores: new NdArray('float32', [count, source.classes], Float32Array.from(scores)),
      boxes: new NdArray('float32', [count, 4], Float32Array.from(boxes)),
    });
    writer.opcode('u');
  }
  yield* writer.save('cfg');
  yield* writer.save(cfg);
  writer.opcode('u').opcode('.');
  yield writer.take();
}

/** Reads scores. @throws DataError that names the file, and the image at fault. */
export async function readDetectionsPickle(path: string): Promise<ScoreSource> {
  const fail = (problem: string): never => {
    throw new DataError(
      `${path} does not hold scores of proposals: ${problem}.`,
      'Give the detections.pkl or discovery.pkl that test_net.py or `cim infer` wrote.',
    );
  };
  const value = await readPickle(path);
  const all: unknown = value instanceof Map ? value.get('all_boxes') : undefined;
  if (!(all instanceof Map)) return fail('it is no dict with a dict "all_boxes"');
  const found: { file: string; count: number; scores: NdArray; boxes: NdArray }[] = [];
  let classes = 0;
  for (const [file, entry] of all) {
    if (typeof file !== 'string') return fail(`it has an image called ${String(file)}`);
    const matrix = (key: string): NdArray => {
      const array: unknown = entry instanceof Map ? entry.get(key) : undefined;
      const isMatrix = array instanceof NdArray && array.shape.length === 2 && array.dtype.startsWith('float');
      return isMatrix ? array : fail(`the "${key}" of ${file} are no array of floats in two dimensions`);
    };
    const [scores, boxes] = [matrix('scores'), matrix('boxes')];
    const count = scores.shape[0];
    classes = found.length === 0 ? scores.shape[1] : classes;
    if (scores.shape[1] !== classes) fail(`${file} has ${scores.shape[1]} classes, the first image ${classes}`);
    if (boxes.shape.join('×') !== `${count}×4`)
      fail(`${file} has ${count} rows of scores and boxes ${boxes.shape.join('×')}`);
    found.push({ file, count, scores, boxes });
  }
  return {
    name: path,
    classes,
    images: found.map(({ file, count }) => ({ file, count })),
    read: async (index) => ({ scores: found[index].scores.toFloat32(), boxes: found[index].boxes.toFloat32() }),
  };
}
