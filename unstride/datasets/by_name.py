"""Creates data sets by name: one dictionary of classes per kind of label."""

from collections.abc import Mapping
from pathlib import Path

from unstride.datasets.ade20k import ADE20K
from unstride.datasets.base import DepthDataset, LabelledDataset, SegmentationDataset
from unstride.datasets.bsds import BSDS
from unstride.datasets.camvid import CamVid
from unstride.datasets.cityscapes import Cityscapes
from unstride.datasets.coco_detection import COCODetection
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.coco_regions import COCORegions
from unstride.datasets.coco_stuff import COCOStuff, COCOStuff27
from unstride.datasets.folder import DepthFolder, SegmentationFolder
from unstride.datasets.frame_triplets import VideoDataset
from unstride.datasets.kitti import KITTIOdometry
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.nyuv2 import NYUv2
from unstride.datasets.nyuv2_tasks import NYUv2MultiTask
from unstride.datasets.own_boxes import OwnBoxes, VOCBoxes, YOLOBoxes
from unstride.datasets.pennfudan import PennFudan
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.datasets.voc import VOC

SEGMENTATION_DATASETS: dict[str, type[SegmentationDataset]] = {
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "ade20k": ADE20K,
    "coco_stuff": COCOStuff,
    "coco_stuff27": COCOStuff27,
    "voc": VOC,
    "folder": SegmentationFolder,
}
DEPTH_DATASETS: dict[str, type[DepthDataset]] = {
    "posed_rgbd": PosedRGBD,
    "nyuv2": NYUv2,
    "kitti_depth": KITTIDepth,
    "folder": DepthFolder,
}
REGION_DATASETS: dict[str, type[LabelledDataset]] = {"bsds": BSDS, "coco_panoptic": COCORegions}
MULTITASK_DATASETS: dict[str, type[PosedRGBD | NYUv2 | NYUv2MultiTask]] = {
    "posed_rgbd": PosedRGBD,
    "nyuv2": NYUv2,
    "nyuv2_tasks": NYUv2MultiTask,
}
VIDEO_DATASETS: dict[str, type[VideoDataset]] = {
    "posed_rgbd": PosedRGBD,
    "kitti": KITTIOdometry,
    "kitti_depth": KITTIDepth,
}
DETECTION_DATASETS: dict[str, type[PennFudan | COCODetection | OwnBoxes]] = {
    "pennfudan": PennFudan,
    "coco": COCODetection,
    "voc": VOCBoxes,
    "yolo": YOLOBoxes,
}
PANOPTIC_DATASETS: dict[str, type[COCOPanoptic]] = {"coco_panoptic": COCOPanoptic}
DATASETS_OF_TASK: dict[str, Mapping[str, type[LabelledDataset]]] = {
    "segmentation": SEGMENTATION_DATASETS,
    "detection": DETECTION_DATASETS,
    "panoptic": PANOPTIC_DATASETS,
    "depth": DEPTH_DATASETS,
}


def create_dataset(name: str, root: str | Path, split: str) -> LabelledDataset:
    """Create a data set of segmentation, depth or regions, read from its usual folders.

    Items are (image, labels). The image is "3 h w". Labels are one of: classes "h w" (int64,
    UNLABELLED where there is none); metres "h w" (float, 0 where unknown); region ids "n h w"
    (int64 from 0, -1 where there is none).

    Args:
        name: a key of SEGMENTATION_DATASETS, DEPTH_DATASETS or REGION_DATASETS. `folder` is the
            one of segmentation.
        root: folder of the data set. The class's `layout` says what it must contain.
        split: one of the class's `splits`.

    Raises:
        ValueError: if there is no such name or split.
        FileNotFoundError: if a folder or a label is missing, or there is no image.
    """
    datasets: dict[str, type[LabelledDataset]] = {
        **DEPTH_DATASETS,
        **REGION_DATASETS,
        **SEGMENTATION_DATASETS,  # last, for `folder` stands for labels of classes here
    }
    if name not in datasets:
        raise ValueError(f"dataset must be one of {', '.join(sorted(datasets))}, got {name!r}")
    return datasets[name](Path(root), split)
