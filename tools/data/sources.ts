/** Where the original's files come from: the only hosts this project names. */
import type { Checksum } from './download.ts';
import type { Extraction } from './extract.ts';

/** A file that can be fetched by a program. */
export interface RemoteFile {
  readonly url: string;
  readonly bytes?: number;
  readonly checksum?: Checksum;
  /** For an archive: what of it goes into the item's folder. Without, the file itself is the item. */
  readonly extraction?: Extraction;
  /** Bytes of an archive's content, about. */
  readonly unpacked?: number;
}

const GIB = 2 ** 30;
const md5 = (digest: string): Checksum => ({ algorithm: 'md5', digest });

export const VOC_TRAINVAL: RemoteFile = {
  url: 'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
  bytes: 1_999_639_040,
  checksum: md5('6cd6e144f989b92b3379bac3b3de84fd'),
  extraction: { from: 'VOCdevkit/VOC2012' },
  unpacked: 2 * GIB,
};

export const SBD: RemoteFile = {
  url: 'https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz',
  checksum: md5('82b4d87ceb2ed10f6038a1cba92111cb'),
  extraction: {
    from: 'benchmark_RELEASE/dataset',
    accepts: (name) => name.startsWith('inst/') || name === 'train.txt' || name === 'val.txt',
  },
  unpacked: GIB,
};

const coco = (path: string): string => `http://images.cocodataset.org/${path}`;

export const COCO_TRAIN: RemoteFile = {
  url: coco('zips/train2017.zip'),
  bytes: 19_336_861_798,
  checksum: md5('cced6f7f71b7629ddf16f17bbcfab6b2'),
  extraction: { from: 'train2017' },
  unpacked: 19 * GIB,
};
export const COCO_VAL: RemoteFile = {
  url: coco('zips/val2017.zip'),
  bytes: 815_585_330,
  checksum: md5('442b8da7639aecaf257c1dceb8ba8c80'),
  extraction: { from: 'val2017' },
  unpacked: GIB,
};
export const COCO_TEST: RemoteFile = {
  url: coco('zips/test2017.zip'),
  bytes: 6_646_970_404,
  checksum: md5('77ad2c53ac5d0aea611d422c0938fb35'),
  extraction: { from: 'test2017' },
  unpacked: 7 * GIB,
};
export const COCO_ANNOTATIONS: RemoteFile = {
  url: coco('annotations/annotations_trainval2017.zip'),
  bytes: 252_907_541,
  checksum: md5('f4bbac642086de4f52a3fdda2de5fa2c'),
  extraction: { from: 'annotations', accepts: (name) => name.startsWith('instances_') },
  unpacked: GIB,
};
export const COCO_TEST_INFO: RemoteFile = {
  url: coco('annotations/image_info_test2017.zip'),
  extraction: { from: 'annotations' },
  unpacked: GIB / 16,
};

/** torchvision's IMAGENET1K_V1; the digits in its name are the first of its SHA-256. */
export const RESNET50: RemoteFile = {
  url: 'https://download.pytorch.org/models/resnet50-0676ba61.pth',
  checksum: { algorithm: 'sha256', digest: '0676ba61' },
};

/** Pages from which a person has to fetch files: the links of the original's docs/DATASET.md. */
export const PAGES = {
  vocAnnotations: 'https://drive.google.com/drive/folders/1CrzR3V5dgrwzaQYER5AwnLD_OfpjUylh',
  vocCob: 'https://drive.google.com/drive/folders/16Nvm3AMq3JFpOSIznUpZhVI0QrJazEmw',
  cocoCob: 'https://rec.ustc.edu.cn/share/7dcb25c0-c8f1-11ee-b716-33a1b4b1b28b',
  points: 'https://drive.google.com/file/d/1Xg_F8MjIOG4w5f_L9-K1dEh8Wh7mpe_2/view',
  weights: 'https://drive.google.com/drive/folders/1kzFsaPlbYK0OY31a7vqsRLDaJQ2BbAs0',
  hrnet: 'https://github.com/HRNet/HRNet-Image-Classification',
  labels: 'https://drive.google.com/drive/folders/1j44PAimT7v4RkkOlKbbqcCLAiNf9sXjN',
  cob: 'https://drive.google.com/drive/folders/144_iTb57xnvBL8R7eDm2U_WF1UBQCtYz',
  overlaps: 'https://drive.google.com/drive/folders/1BwS_FaM9OOWzpjAR5Tul2gLgFbv0iN9X',
  containment: 'https://drive.google.com/drive/folders/1PZfP9Wz0uL33wMcY6wX--C6Wb_cH1ZHT',
} as const;
