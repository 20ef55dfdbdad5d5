"""Mask R-CNN (ResNet-50, FPN) on pseudo labels with detectron2, for any data set. docs/mask-rcnn.md says how to run it."""

import argparse
import json
import os

from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultTrainer, default_setup, launch
from detectron2.evaluation import COCOEvaluator

MODEL = 'COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml'


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        """Leaves coco_instances_results.json, which `cim eval` reads."""
        return COCOEvaluator(dataset_name, output_dir=os.path.join(cfg.OUTPUT_DIR, 'inference'))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--labels', required=True, help='the file that `cim label` wrote')
    parser.add_argument('--images', required=True, help='the folder of the training images')
    parser.add_argument('--val', required=True, help='COCO annotations of the validation images')
    parser.add_argument('--val-images', help='their folder, if it is another')
    parser.add_argument('--out', default='output/cim-mask-rcnn')
    parser.add_argument('--gpus', type=int, default=1)
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--batch', type=int, default=16, help='images a step, on all GPUs together')
    parser.add_argument('--eval-only', action='store_true', help='test the last checkpoint in --out')
    return parser.parse_args()


def configure(args):
    with open(args.labels, encoding='utf-8') as file:
        labels = json.load(file)
    register_coco_instances('cim_train', {}, args.labels, args.images)
    register_coco_instances('cim_val', {}, args.val, args.val_images or args.images)
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(MODEL))  # starts from ImageNet's weights
    cfg.DATASETS.TRAIN = ('cim_train',)
    cfg.DATASETS.TEST = ('cim_val',)
    # Pseudo labels are run-length encoded masks, not polygons: detectron2 keeps them as bit masks.
    cfg.INPUT.MASK_FORMAT = 'bitmask'
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(labels['categories'])
    # Images without a label are left out, as detectron2 does by itself.
    images = len({annotation['image_id'] for annotation in labels['annotations']})
    steps = images * args.epochs // args.batch
    cfg.SOLVER.IMS_PER_BATCH = args.batch
    cfg.SOLVER.BASE_LR = 0.02 * args.batch / 16
    cfg.SOLVER.MAX_ITER = steps
    cfg.SOLVER.STEPS = (steps * 2 // 3, steps * 11 // 12)
    cfg.OUTPUT_DIR = args.out
    cfg.freeze()
    default_setup(cfg, args)
    return cfg


def main(args):
    trainer = Trainer(configure(args))
    trainer.resume_or_load(resume=True)
    if args.eval_only:
        return Trainer.test(trainer.cfg, trainer.model)
    return trainer.train()


if __name__ == '__main__':
    options = arguments()
    launch(main, options.gpus, dist_url='auto', args=(options,))
