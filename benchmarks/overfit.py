"""`make overfit DATA=...`: checks that each network can overfit eight photographs.

Runs the recipes as they are on eight photographs of `train`, and scores the same photographs:
CamVid for classes, Penn-Fudan for objects, centre crops of COCO for both, the kitchen for depth and
normals; without any augmentation except CamVid's mirroring. A network that fails is broken. The
scores do not say how well a network generalises. DATA has camvid/, pennfudan/, coco/ and
depth/redkitchen/. Fails if a score misses REQUIRED_SCORES.

    python -m benchmarks.overfit --data DATA --models mask_rcnn panoptic_fpn --upsampler carafe
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.formats.coco_panoptic import write_panoptic
from unstride.recipes import depth, detection, multitask, panoptic, segmentation
from unstride.transforms.panoptic_targets import visible_segments
from unstride.viz import save_png

NUM_IMAGES = 8
SHARED_OPTIONS: dict[str, Any] = {
    "learning_rate": 1e-3, "backbone_lr_factor": 0.3, "weight_decay": 1e-4, "lr_schedule": "cosine",
    "batch_size": 4, "train_limit": NUM_IMAGES, "val_limit": NUM_IMAGES,
}  # fmt: skip
FEW_PROPOSALS = {
    "rpn_pre_nms_top_n_train": 400, "rpn_post_nms_top_n_train": 200,
    "rpn_pre_nms_top_n_test": 400, "rpn_post_nms_top_n_test": 100, "box_batch_size_per_image": 64,
}  # fmt: skip
SMALL_IMAGES: dict[str, Any] = {"min_size": (256,), "max_size": 400, "horizontal_flip": False}
COARSE_STRIDES: dict[str, Any] = {"strides": (8, 16, 32)}
CAMVID_OPTIONS: dict[str, Any] = {
    "crop_size": (360, 480), "scale_range": (1.0, 1.0), "colour_jitter": 0.0, "batch_size": 2,
    "learning_rate": 2e-3, "backbone_lr_factor": 0.5,
}  # fmt: skip
COCO_CROPS = "coco, middles"  # copies of eight photographs, cropped to CROP_SIZE, in OUT
CROP_SIZE = 256  # pixels; one size for all, so that training and scoring pad alike
KITCHEN_OPTIONS: dict[str, Any] = {
    "size": (240, 320), "horizontal_flip": False, "colour_jitter": 0.0,
}  # fmt: skip
REQUIRED_SCORES = {
    "box_ap": 80.0, "mask_ap": 70.0, "miou": 90.0, "pq": 80.0, "delta1": 0.99, "angle_mean": 12.0,
}  # fmt: skip
LOWER_IS_BETTER = ("angle_mean",)


class OverfitCase(NamedTuple):
    """How a network is overfitted: its recipe, data, steps, and options of recipe and network."""

    recipe: ModuleType
    folder: str
    steps: int
    recipe_options: dict[str, Any]
    model_options: dict[str, Any]


OVERFIT_CASES = {
    "semantic_fpn": OverfitCase(
        segmentation, "camvid", 900, CAMVID_OPTIONS, {"width": 64, "branch_width": 64}
    ),
    "upernet": OverfitCase(segmentation, "camvid", 900, CAMVID_OPTIONS, {"width": 64}),
    "hrnet_ocr": OverfitCase(
        segmentation, "camvid", 900, CAMVID_OPTIONS, {"width": 64, "key_width": 32}
    ),
    "faster_rcnn": OverfitCase(
        detection, "pennfudan", 600, SMALL_IMAGES, {"width": 64, **FEW_PROPOSALS}
    ),
    "mask_rcnn": OverfitCase(
        detection, "pennfudan", 600, SMALL_IMAGES, {"width": 64, **FEW_PROPOSALS}
    ),
    "fcos": OverfitCase(
        detection, "pennfudan", 600, SMALL_IMAGES | COARSE_STRIDES, {"width": 64}
    ),
    "retinanet": OverfitCase(
        detection, "pennfudan", 600, SMALL_IMAGES | COARSE_STRIDES, {"width": 64}
    ),
    "panoptic_fpn": OverfitCase(
        panoptic, COCO_CROPS, 600, SMALL_IMAGES,
        {"width": 64, "branch_width": 64, "merging": {"min_area": 64}, **FEW_PROPOSALS},
    ),
    "panoptic_deeplab": OverfitCase(
        panoptic, COCO_CROPS, 2800, SMALL_IMAGES | {"crop_size": (CROP_SIZE, CROP_SIZE)},
        {"width": 128, "merging": {"min_area": 64}},
    ),
    "supervised": OverfitCase(depth, "depth/redkitchen", 400, KITCHEN_OPTIONS, {"width": 64}),
    "multitask": OverfitCase(multitask, "depth/redkitchen", 400, KITCHEN_OPTIONS, {"width": 64}),
}  # fmt: skip


def main() -> None:
    """Train each network, then print the table; exit with an error if a score is too low."""
    parser = argparse.ArgumentParser(
        prog="make overfit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, coco/, ...")
    parser.add_argument(
        "--models", nargs="+", default=list(OVERFIT_CASES), choices=list(OVERFIT_CASES)
    )
    parser.add_argument(
        "--upsampler", help="name from `unstride list` (default: each network's own)"
    )
    parser.add_argument("--steps", type=int, help="training steps (default: each network's own)")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--out", type=Path, default=Path("runs/overfit"))
    arguments = parser.parse_args()
    table = Table("model", "steps", "score", "value", "required")
    failures = []
    for model in arguments.models:
        for name, value in overfit_scores(model, arguments).items():
            required = REQUIRED_SCORES.get(name)
            table.add_row(
                model, str(arguments.steps or OVERFIT_CASES[model].steps), name, f"{value:.3g}",
                "" if required is None else f"{required:g}",
            )  # fmt: skip
            if required is not None and (
                value > required if name in LOWER_IS_BETTER else value < required
            ):
                failures.append(f"{model}: {name} is {value:.3g}, required is {required:g}")
    Console().print(table)
    sys.exit("\n".join(failures) or 0)


def overfit_scores(model: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Train a network, and return its scores on the training photographs."""
    recipe, folder, steps, recipe_options, model_options = OVERFIT_CASES[model]
    steps = arguments.steps or steps
    data = (
        write_coco_crops(arguments.data / "coco", arguments.out)
        if folder == COCO_CROPS
        else arguments.data / folder
    )
    name = model if arguments.upsampler is None else f"{model}-{arguments.upsampler}"
    options = recipe.Options(
        data=data, out=arguments.out / name, model_options=model_options,
        backbone=arguments.backbone, upsampler=arguments.upsampler, steps=steps, val_every=steps,
        warmup_steps=min(50, steps // 4), **({} if model == "multitask" else {"model": model}),
        **SHARED_OPTIONS | recipe_options,
    )  # fmt: skip
    recipe.fit(options)
    return recipe.validate(options, "train")


def write_coco_crops(coco: Path, out: Path) -> Path:
    """Write the centre crops of eight COCO photographs and their segments, as both splits.

    Only the classes that occur are kept: logits of all 133 would take half the time.
    """
    source = COCOPanoptic(coco, "train")
    photographs = evenly_spaced_subset(source, NUM_IMAGES)
    root = out / "coco_middles"
    for split in ("train2017", "val2017"):
        (root / split / "images").mkdir(parents=True, exist_ok=True)
        segmentations, category_ids = {}, set[int]()
        for i in range(NUM_IMAGES):
            image, target = photographs[i]
            top, left = ((side - CROP_SIZE) // 2 for side in image.shape[1:])
            window = (slice(None), slice(top, top + CROP_SIZE), slice(left, left + CROP_SIZE))
            save_png(torch.as_tensor(image)[window], root / split / f"images/{i}.png")
            target["ids"] = target["ids"][window]
            segmentations[str(i)] = target["ids"][0].long(), visible_segments(target)
            category_ids |= {segment.category_id for segment in visible_segments(target)}
        classes = [category for category in source.categories if category.id in category_ids]
        write_panoptic(root / split / "panoptic", segmentations, classes)
    return root


if __name__ == "__main__":
    main()
