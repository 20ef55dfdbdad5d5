/** Formats of arrays, weights, annotations and settings, with small files of each. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseCoco } from '@cim/tools/datasets/coco';
import { parseCsv } from '@cim/tools/datasets/csv';
import { parseMat } from '@cim/tools/formats/mat';
import { parseNpy } from '@cim/tools/formats/numpy';
import { parsePickle } from '@cim/tools/formats/pickle';
import { readSafetensors } from '@cim/tools/formats/safetensors';
import { readTorch, TorchTensor } from '@cim/tools/formats/torch';
import { parseOriginalConfig } from '@cim/tools/original-config/read';

export interface FuzzedFormat {
  readonly files: readonly Uint8Array[];
  /** Reads a file wholly. `path` is where it may be written for readers that take no bytes. */
  read(bytes: Uint8Array, path: string): unknown;
}

const local = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const golden = (name: string): Uint8Array => readFileSync(local(`../golden/formats/${name}`));
const python = (name: string): Uint8Array => readFileSync(local(`../tools/${name}`));
const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A reader of files as one of bytes. */
const fromFile =
  (read: (path: string) => Promise<unknown>) =>
  (bytes: Uint8Array, path: string): Promise<unknown> => {
    writeFileSync(path, bytes);
    return read(path);
  };

async function readTorchWholly(path: string): Promise<void> {
  const walk = async (value: unknown): Promise<void> => {
    if (value instanceof TorchTensor) await value.read();
    else if (value instanceof Map || Array.isArray(value)) for (const item of value.values()) await walk(item);
  };
  await walk(await readTorch(path));
}

/** One of every protocol. */
const pickles = Object.entries(
  JSON.parse(readFileSync(local('../tools/python-pickles.json'), 'utf8')) as Record<string, string>,
)
  .filter(([name]) => name.startsWith('NumPy 1'))
  .map(([, base64]) => new Uint8Array(Buffer.from(base64, 'base64')));

/** `{'descr': …}` and its data. */
function npy(header: string, data: Uint8Array): Uint8Array {
  const padded = header.padEnd(117);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'), Buffer.from(`${padded}\n`), data]);
}
/** `np.array({1: 2}, dtype=object)`, as lib/prm/cls_labels.npy is made. */
const objectNpy = (): Uint8Array => {
  const lines = [
    'cnumpy.core.multiarray',
    '_reconstruct',
    "(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(tcnumpy\ndtype",
    "(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n((dI1\nI2\nsltb.",
  ];
  return npy("{'descr': '|O', 'fortran_order': False, 'shape': (), }", text(lines.join('\n')));
};

const coco = {
  images: [{ id: 1, file_name: 'a.jpg', width: 8, height: 6 }],
  categories: [{ id: 3, name: 'cat' }],
  annotations: [
    {
      id: 1,
      image_id: 1,
      category_id: 3,
      bbox: [1, 1, 4, 4],
      area: 16,
      iscrowd: 0,
      segmentation: [[1, 1, 5, 1, 5, 5]],
    },
    {
      id: 2,
      image_id: 1,
      category_id: 3,
      bbox: [0, 0, 2, 2],
      area: 4,
      iscrowd: 1,
      segmentation: { size: [6, 8], counts: [0, 4, 44] },
    },
  ],
};
const config = `MODEL:
  CONV_BODY: vgg16.dilated_conv5_body
TRAIN:
  SCALES: (480, 576, 688)
  PROPOSAL_FILES: ('./data/cob/a.pkl',) # a comment
SOLVER: {BASE_LR: 0.0005, STEPS: [0, 20000], MAX_ITER: 60000}
TEST:
  BBOX_AUG:
    ENABLED: True
    SCALES: (576, 688)
`;

export const formats: Readonly<Record<string, FuzzedFormat>> = {
  'pth zip': {
    files: [golden('state_dict_zip.pth'), python('torch-views.pth')],
    read: fromFile(readTorchWholly),
  },
  'pth legacy': {
    files: [golden('state_dict_legacy.pth'), python('torch-views-legacy.pth')],
    read: fromFile(readTorchWholly),
  },
  pickle: {
    files: [...pickles, golden('cob_proposals.pkl'), golden('label_assign.pkl'), golden('cob_iou.pkl')],
    read: (bytes) => parsePickle(bytes, 'a.pkl'),
  },
  mat: {
    files: [
      'voc_maskmat_compressed.mat',
      'voc_maskmat_logical.mat',
      'coco_maskmat_compressed.mat',
      'coco_maskmat_uncompressed.mat',
    ].map(golden),
    read: (bytes) => parseMat(bytes, 'a.mat'),
  },
  npy: {
    files: [
      npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", new Uint8Array(24)),
      npy("{'descr': '|b1', 'fortran_order': False, 'shape': (5,), }", new Uint8Array(5)),
      objectNpy(),
    ],
    read: (bytes) => parseNpy(bytes, 'a.npy'),
  },
  safetensors: {
    files: ['cob_proposals.pkl', 'checkpoint.pth'].map((name) => golden(`${name}.expected.safetensors`)),
    read: fromFile(readSafetensors),
  },
  'COCO JSON': { files: [text(JSON.stringify(coco))], read: (bytes) => parseCoco(decode(bytes), 'a.json') },
  CSV: {
    files: [text('file,labels\na.jpg,cat;dog\n"b, c.jpg",cat\n')],
    read: (bytes) => parseCsv(decode(bytes), 'a.csv'),
  },
  configuration: { files: [text(config)], read: (bytes) => parseOriginalConfig(decode(bytes), 'a.yaml') },
};

/** Where a reader of files finds its file. */
export const scratch = (folder: string): string => join(folder, 'fuzzed');
