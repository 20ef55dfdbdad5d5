"""Mask R-CNN (ResNet-50, FPN) on pseudo labels, for mmdetection 3: PASCAL VOC 2012. docs/mask-rcnn.md says how to run it."""

_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'

# The folder that holds JPEGImages and annotations, and the file that `cim label` wrote, relative to it.
data_root = 'data/VOC2012/'
pseudo_labels = 'annotations/pseudo-labels.json'
val_annotations = 'annotations/voc_2012_val.json'
results = 'work_dirs/cim-mask-rcnn/results'

# The categories of both files, in their order.
metainfo = dict(
    classes=(
        'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
        'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor',
    )
)
num_classes = len(metainfo['classes'])

model = dict(roi_head=dict(bbox_head=dict(num_classes=num_classes), mask_head=dict(num_classes=num_classes)))

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=pseudo_labels,
        data_prefix=dict(img='JPEGImages/'),
        metainfo=metainfo,
        # Images in which nothing was found teach nothing: they may well show objects.
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
    )
)

val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=val_annotations,
        data_prefix=dict(img='JPEGImages/'),
        metainfo=metainfo,
    )
)
test_dataloader = val_dataloader

# Leaves results.segm.json and results.bbox.json, which `cim eval` reads.
val_evaluator = dict(ann_file=data_root + val_annotations, outfile_prefix=results)
test_evaluator = val_evaluator
