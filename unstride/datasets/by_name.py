"""Labelled data sets by name: semantic classes, depth, and segments drawn by people."""

from pathlib import Path

from unstride.datasets.ade20k import ADE20K
from unstride.datasets.base import DepthDataset, LabelledDataset, SegmentationDataset
from unstride.datasets.bsds import BSDS
from unstride.datasets.camvid import CamVid
from unstride.datasets.cityscapes import Cityscapes
from unstride.datasets.coco_regions import COCORegions
from unstride.datasets.coco_stuff import COCOStuff, COCOStuff27
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.nyuv2 import NYUv2
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.datasets.voc import VOC
from unstride.formats.labels import UNLABELLED as UNLABELLED

SEGMENTATION_DATASETS: dict[str, type[SegmentationDataset]] = {
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "ade20k": ADE20K,
    "coco_stuff": COCOStuff,
    "coco_stuff27": COCOStuff27,
    "voc": VOC,
}
DEPTH_DATASETS: dict[str, type[DepthDataset]] = {
    "posed_rgbd": PosedRGBD,
    "nyuv2": NYUv2,
    "kitti_depth": KITTIDepth,
}
REGION_DATASETS: dict[str, type[LabelledDataset]] = {"bsds": BSDS, "coco_panoptic": COCORegions}


def create_dataset(name: str, root: str | Path, split: str) -> LabelledDataset:
    """A labelled data set, read from its usual folders.

    Items are (image, labels): the image "3 h w", the labels "h w" classes (int64, UNLABELLED where
    there is none), "h w" metres (float, 0 where unknown), or "n h w" region ids (int64, from 0,
    -1 where there is none).

    Args:
        name: a key of SEMANTIC, DEPTH or SEGMENTS.
        root: the folder that holds it; its layout is the class's `layout`.
        split: one of the class's `splits`.

    Raises:
        ValueError: if there is no such name or split.
        FileNotFoundError: if a folder or a label is missing, or there is no photograph.
    """
    known: dict[str, type[LabelledDataset]] = {
        **SEGMENTATION_DATASETS,
        **DEPTH_DATASETS,
        **REGION_DATASETS,
    }
    if name not in known:
        raise ValueError(f"name {name!r}: there are {', '.join(sorted(known))}")
    return known[name](Path(root), split)
