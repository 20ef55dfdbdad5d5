/** What the original's layout holds: each file and folder, what it is for, and where it comes from. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Found, imageNames, lookFor, namesIn } from './listed.ts';
import * as sources from './sources.ts';
import { PAGES, type RemoteFile } from './sources.ts';
import { vocJson } from './voc/convert.ts';
import { splitNames, type VocSplit } from './voc/image-sets.ts';

export type DatasetKind = 'voc' | 'coco';

export interface RemoteItem {
  readonly file: RemoteFile;
  /** The folder below the data folder that it goes to. */
  readonly into: string;
  /** When an optional item is fetched too: always, or when test-dev is asked for. */
  readonly whenOptional?: 'always' | 'test';
}

/** A file or folder of the layout. */
export interface Item {
  /** Below the data folder. */
  readonly path: string;
  readonly purpose: string;
  /** Training and evaluating cannot do without. */
  readonly needed: boolean;
  /** What can be fetched by program. */
  readonly remote?: RemoteItem;
  /** How to come by it otherwise, as a sentence. */
  readonly otherwise?: string;
  find(): Promise<Found>;
}

/** One file. */
const file = (root: string, path: string): (() => Promise<Found>) => {
  const there = statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true;
  return async () => ({ present: there ? 1 : 0, expected: 1, missing: there ? [] : [path] });
};

const byHand = (page: string): string => `Fetch it by hand from ${page} with a browser: that host serves no programs.`;

/** The images of the splits of a data set, as far as they are known. A split is read once: COCO's files are large. */
type Names<Split> = (...splits: readonly Split[]) => Promise<string[]>;

function listing<Split>(read: (split: Split) => Promise<string[]>): Names<Split> {
  const known = new Map<Split, Promise<string[]>>();
  return async (...splits) => {
    for (const split of splits) if (!known.has(split)) known.set(split, read(split));
    return (await Promise.all(splits.map((split) => known.get(split) as Promise<string[]>))).flat();
  };
}

/** Files of a folder named after images; of `official` many where the images are not known yet. */
async function perImage(
  folders: readonly string[],
  names: readonly string[],
  ending: string,
  official: number,
): Promise<Found> {
  if (names.length === 0) {
    const present = folders.reduce((sum, folder) => sum + namesIn(folder).size, 0);
    return { present, expected: official, missing: [] };
  }
  const [first, ...others] = folders.map((folder) => lookFor(folder, names, ending));
  const missing = first.missing.filter((name) => others.every((found) => found.missing.includes(name)));
  return { present: names.length - missing.length, expected: names.length, missing };
}

export function vocItems(root: string): Item[] {
  const path = (...parts: string[]): string => join(root, 'VOC2012', ...parts);
  const both = ['trainaug', 'val'] as const;
  const names = listing<VocSplit>(async (split) => {
    const json = vocJson(path(), split);
    if (existsSync(json)) return imageNames(json);
    return splitNames(path(), split).catch(() => []); // what is missing is an item of its own
  });
  const made = both.every((split) => existsSync(vocJson(path(), split)));
  const archive = { file: sources.VOC_TRAINVAL, into: 'VOC2012' };
  const OFFICIAL = { trainaug: 10_582, val: 1449, all: 17_125, segmented: 2913 };
  const folder = (name: string, ending: string, official: number) => async (): Promise<Found> => {
    const present = [...namesIn(path(name))].filter((entry) => entry.endsWith(ending)).length;
    return { present, expected: Math.max(official, present), missing: [] };
  };
  return [
    {
      path: 'VOC2012/JPEGImages',
      purpose: 'the images',
      needed: true,
      remote: archive,
      find: async () => perImage([path('JPEGImages')], await names(...both), '.jpg', OFFICIAL.all),
    },
    ...both.map(
      (split): Item => ({
        path: `VOC2012/annotations/voc_2012_${split}.json`,
        purpose: split === 'val' ? 'objects with masks, for evaluation' : 'labels of the training images',
        needed: true,
        otherwise: `This command makes it of ImageSets/, Annotations/${split === 'val' ? '' : ', SBD/'} and the Segmentation folders; or ${PAGES.vocAnnotations} has it.`,
        find: file(root, `VOC2012/annotations/voc_2012_${split}.json`),
      }),
    ),
    {
      path: 'VOC2012/ImageSets',
      purpose: 'the lists of images that annotations/ is made of',
      needed: !made,
      remote: archive,
      find: file(root, 'VOC2012/ImageSets/Segmentation/val.txt'),
    },
    {
      path: 'VOC2012/Annotations',
      purpose: 'the boxes that annotations/ is made of; the original also evaluates boxes with them',
      needed: !made,
      remote: archive,
      find: async () => perImage([path('Annotations')], await names(...both), '.xml', OFFICIAL.all),
    },
    ...['SegmentationObject', 'SegmentationClass'].map(
      (name): Item => ({
        path: `VOC2012/${name}`,
        purpose: 'the masks that annotations/ is made of',
        needed: !made,
        remote: archive,
        find: folder(name, '.png', existsSync(vocJson(path(), 'val')) ? 0 : OFFICIAL.segmented),
      }),
    ),
    {
      path: 'VOC2012/SBD',
      purpose: "the list of trainaug's images, and their masks",
      needed: !made && !existsSync(path('ImageSets/Segmentation/trainaug.txt')),
      remote: { file: sources.SBD, into: 'VOC2012/SBD' },
      find: async () => lookFor(path('SBD'), ['train', 'val'], '.txt'),
    },
    ...both.map(
      (split): Item => ({
        path: `VOC2012/COB_SBD_${split}`,
        purpose: split === 'val' ? 'proposals of the validation images' : 'proposals of the training images',
        needed: true,
        otherwise: `${byHand(PAGES.vocCob)} Or make others of our own with --proposals make.`,
        find: async () =>
          perImage(
            [path(`COB_SBD_${split}`), path(`COB_SBD_${split === 'val' ? 'trainaug' : 'val'}`)],
            await names(split),
            '.mat',
            OFFICIAL[split],
          ),
      }),
    ),
    {
      path: 'VOC2012/Center_points',
      purpose: 'a point of each instance, for training on points (CIM-p)',
      needed: false,
      otherwise: byHand(PAGES.points),
      find: async () => perImage([path('Center_points')], await names('trainaug'), '.txt', OFFICIAL.trainaug),
    },
    ...shared(root, {
      set: 'VOC2012',
      pickles: ['voc_2012_trainaug', 'voc_2012_val'],
      labels: ['voc_2012_label_assign', 'voc_2012_point_label_assign'],
      classifier: 'prm_voc.pth',
      names: () => names('trainaug'),
      official: OFFICIAL.trainaug,
    }),
  ];
}

export function cocoItems(root: string): Item[] {
  const path = (...parts: string[]): string => join(root, 'coco2017', ...parts);
  const annotations = {
    train: 'instances_train2017.json',
    val: 'instances_val2017.json',
    test: 'image_info_test-dev2017.json',
  };
  const splits = [
    { split: 'train', remote: sources.COCO_TRAIN, official: 118_287 },
    { split: 'val', remote: sources.COCO_VAL, official: 5000 },
    { split: 'test', remote: sources.COCO_TEST, official: 40_670 },
  ] as const;
  const names = listing<keyof typeof annotations>(async (split) => {
    const json = path('annotations', annotations[split]);
    return existsSync(json) ? imageNames(json) : [];
  });
  return [
    ...splits.map(
      ({ split }): Item => ({
        path: `coco2017/annotations/${annotations[split]}`,
        purpose:
          split === 'test'
            ? 'the images of test-dev'
            : `objects of the ${split === 'val' ? 'validation' : 'training'} images`,
        needed: split !== 'test',
        remote: {
          file: split === 'test' ? sources.COCO_TEST_INFO : sources.COCO_ANNOTATIONS,
          into: 'coco2017/annotations',
          whenOptional: 'test',
        },
        find: file(root, `coco2017/annotations/${annotations[split]}`),
      }),
    ),
    ...splits.map(
      ({ split, remote, official }): Item => ({
        path: `coco2017/${split}2017`,
        purpose:
          split === 'test' ? 'the images for test-dev' : `the ${split === 'val' ? 'validation' : 'training'} images`,
        needed: split !== 'test',
        remote: { file: remote, into: `coco2017/${split}2017`, whenOptional: 'test' },
        find: async () => perImage([path(`${split}2017`)], await names(split), '.jpg', official),
      }),
    ),
    {
      path: 'coco2017/COB-COCO',
      purpose: 'proposals of the training and validation images',
      needed: true,
      otherwise: `${byHand(PAGES.cocoCob)} Or make others of our own with --proposals make.`,
      find: async () => {
        const there = namesIn(path('COB-COCO'));
        const bare = new Set([...there].map((name) => name.replace(/^COCO_(train|val)2014_/, '')));
        const expected = (await names('train', 'val')).map((name) => `${name}.mat`);
        if (expected.length === 0) return { present: there.size, expected: 123_287, missing: [] };
        const missing = expected.filter((name) => !bare.has(name));
        return { present: expected.length - missing.length, expected: expected.length, missing };
      },
    },
    ...shared(root, {
      set: 'coco2017',
      pickles: ['coco_2017_train', 'coco_2017_val', 'coco_2017_test'],
      labels: ['coco_2017_label_assign'],
      classifier: 'prm_coco.pth',
      names: () => names('train'),
      official: 118_287,
    }),
  ];
}

interface Shared {
  readonly set: string;
  readonly pickles: readonly string[];
  readonly labels: readonly string[];
  readonly classifier: string;
  names(): Promise<string[]>;
  readonly official: number;
}

/** What lies beside the data sets' folders. */
function shared(root: string, { set, pickles, labels, classifier, names, official }: Shared): Item[] {
  const optional = (path: string, purpose: string, otherwise: string): Item => ({
    path,
    purpose,
    needed: false,
    otherwise,
    find: file(root, path),
  });
  const overlaps = (folder: string, purpose: string, page: string): Item => ({
    path: `${folder}/${set}`,
    purpose: `${purpose} of the proposals; computed when needed`,
    needed: false,
    otherwise: byHand(page),
    find: async () => perImage([join(root, folder, set)], await names(), '.pkl', official),
  });
  const instead = 'Without it training starts from random numbers.';
  return [
    ...pickles.map((name) =>
      optional(
        `cob/${name}.pkl`,
        'proposals as 7×7 masks; computed when needed',
        `--proposals cob makes it of the .mat files. ${byHand(PAGES.cob)}`,
      ),
    ),
    overlaps('cob_iou', 'IoU', PAGES.overlaps),
    overlaps('cob_asy_iou', 'containment', PAGES.containment),
    ...labels.map((name) =>
      optional(
        `label_assign/${name}.pkl`,
        'cluster labels; `cim assign` makes them',
        name.includes('point') ? '`cim assign` makes it of Center_points/.' : byHand(PAGES.labels),
      ),
    ),
    optional(
      `model_weight/${classifier}`,
      'the classifier whose peaks give the cluster labels',
      `${byHand(PAGES.weights)} \`cim prm\` trains one.`,
    ),
    {
      ...optional('model_weight/resnet50-0676ba61.pth', 'ImageNet weights of ResNet-50', instead),
      remote: { file: sources.RESNET50, into: 'model_weight', whenOptional: 'always' },
    },
    optional('model_weight/vgg16_caffe.pth', 'ImageNet weights of VGG-16', `${byHand(PAGES.weights)} ${instead}`),
    optional(
      'model_weight/hrnetv2_w48_imagenet_pretrained.pth',
      'ImageNet weights of HRNet-W48',
      `Fetch it by hand: ${PAGES.hrnet} links to it. ${instead}`,
    ),
  ];
}
