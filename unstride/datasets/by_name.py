"""Labelled data sets by name: semantic classes, depth, and segments drawn by people."""

from pathlib import Path

from unstride.datasets.ade20k import ADE20K
from unstride.datasets.base import Depth, Labelled, Semantic
from unstride.datasets.bsds import BSDS
from unstride.datasets.camvid import CamVid
from unstride.datasets.cityscapes import Cityscapes
from unstride.datasets.coco_regions import COCOPanoptic
from unstride.datasets.coco_stuff import COCOStuff, COCOStuff27
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.datasets.nyuv2 import NYUv2
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.datasets.voc import VOC
from unstride.formats.labels import UNLABELLED as UNLABELLED

SEMANTIC: dict[str, type[Semantic]] = {
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "ade20k": ADE20K,
    "coco_stuff": COCOStuff,
    "coco_stuff27": COCOStuff27,
    "voc": VOC,
}
DEPTH: dict[str, type[Depth]] = {"posed_rgbd": PosedRGBD, "nyuv2": NYUv2, "kitti_depth": KITTIDepth}
SEGMENTS: dict[str, type[Labelled]] = {"bsds": BSDS, "coco_panoptic": COCOPanoptic}


def create_labelled(name: str, root: str | Path, split: str) -> Labelled:
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
    known: dict[str, type[Labelled]] = {**SEMANTIC, **DEPTH, **SEGMENTS}
    if name not in known:
        raise ValueError(f"name {name!r}: there are {', '.join(sorted(known))}")
    return known[name](Path(root), split)
