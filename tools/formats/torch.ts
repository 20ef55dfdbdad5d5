/** PyTorch checkpoints (`torch.save`): both formats are read, the current one is written. */
import { checkpointFailure } from './bytes.ts';
import { readRange, withFile } from './file-bytes.ts';
import { checkTree } from './pickle/check-tree.ts';
import { unfoldedLimit } from './pickle.ts';
import { readLegacy } from './torch/read-legacy.ts';
import { readZip } from './torch/read-zip.ts';

export { PickleObject, Tuple } from './pickle/values.ts';
export { TorchTensor } from './torch/tensor.ts';
export { type Torchable, writeTorch } from './torch/write.ts';

const ZIP_SIGNATURE = 0x04034b50;

/**
 * The value of a .pth file: containers as {@link readPickle} gives them, every tensor as a {@link TorchTensor}, which is
 * read from the file when its elements are asked for. Nothing that the file names is executed.
 *
 * @throws CheckpointError naming the file when it is damaged, or holds more than tensors and plain values.
 */
export async function readTorch(path: string): Promise<unknown> {
  const fail = checkpointFailure(path);
  return withFile(path, fail, async (file) => {
    if (file.size < 4) fail(`it is not a file of torch.save (${file.size} bytes)`);
    const start = new DataView((await readRange(file, 0, 4, fail)).buffer).getUint32(0, true);
    const read = start === ZIP_SIGNATURE ? readZip : readLegacy;
    const { value, length } = await read(file, path, fail);
    checkTree(value, unfoldedLimit(length), fail);
    return value;
  });
}
