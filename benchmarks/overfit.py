"""`make overfit DATA=...`: can each network learn eight photographs by heart?

The recipes as they are on eight photographs of `train`, which are scored too: CamVid for classes,
Penn-Fudan for objects, the middle of COCO's for both, the kitchen for depth and normals; without
any augmentation but CamVid's mirroring. A network that cannot do this is broken; how well one
generalises is not said. DATA has camvid/, pennfudan/, coco/ and depth/redkitchen/. Fails if a score
is not GOOD.

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
    "learning_rate": 1e-3, "backbone_rate": 0.3, "weight_decay": 1e-4, "schedule": "cosine",
    "batch_size": 4, "train_limit": NUM_IMAGES, "limit": NUM_IMAGES,
}  # fmt: skip
FEW_PROPOSALS = {
    "rpn_pre_nms_top_n_train": 400, "rpn_post_nms_top_n_train": 200,
    "rpn_pre_nms_top_n_test": 400, "rpn_post_nms_top_n_test": 100, "box_batch_size_per_image": 64,
}  # fmt: skip
SMALL_IMAGES: dict[str, Any] = {"min_size": (256,), "max_size": 400, "flip": False}
COARSE_STRIDES: dict[str, Any] = {"strides": (8, 16, 32)}
CAMVID_OPTIONS: dict[str, Any] = {
    "crop": (360, 480), "scales": (1.0, 1.0), "colour": 0.0, "batch_size": 2,
    "learning_rate": 2e-3, "backbone_rate": 0.5,
}  # fmt: skip
COCO_CROPS = "coco, middles"  # a copy of eight photographs, cut to SIDE x SIDE, in OUT
CROP_SIZE = 256  # pixels: one size for all, so that learning pads nothing that scoring does not
KITCHEN_OPTIONS: dict[str, Any] = {"size": (240, 320), "flip": False, "colour": 0.0}
REQUIRED_SCORES = {
    "box_ap": 80.0, "mask_ap": 70.0, "miou": 90.0, "pq": 80.0, "delta1": 0.99, "angle_mean": 12.0,
}  # fmt: skip
LOWER_IS_BETTER = ("angle_mean",)


class OverfitCase(NamedTuple):
    """How a network learns by heart: `options` of the recipe, `inside` of the network."""

    recipe: ModuleType
    folder: str
    steps: int
    options: dict[str, Any]
    inside: dict[str, Any]


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
        panoptic, COCO_CROPS, 2800, SMALL_IMAGES | {"crop": (CROP_SIZE, CROP_SIZE)},
        {"width": 128, "merging": {"min_area": 64}},
    ),
    "supervised": OverfitCase(depth, "depth/redkitchen", 400, KITCHEN_OPTIONS, {"width": 64}),
    "multitask": OverfitCase(multitask, "depth/redkitchen", 400, KITCHEN_OPTIONS, {"width": 64}),
}  # fmt: skip


def main() -> None:
    """Train each network, then print the table; fail if one did not learn."""
    parser = argparse.ArgumentParser(
        prog="make overfit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, coco/, ...")
    parser.add_argument(
        "--models", nargs="+", default=list(OVERFIT_CASES), choices=list(OVERFIT_CASES)
    )
    parser.add_argument("--upsampler", help="a word of `unstride list`; by default each its own")
    parser.add_argument("--steps", type=int, help="by default each network's own")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--out", type=Path, default=Path("runs/overfit"))
    given = parser.parse_args()
    table = Table("model", "steps", "score", "value", "wanted")
    failed = []
    for model in given.models:
        for name, value in overfit_scores(model, given).items():
            good = REQUIRED_SCORES.get(name)
            table.add_row(
                model, str(given.steps or OVERFIT_CASES[model].steps), name, f"{value:.3g}",
                "" if good is None else f"{good:g}",
            )  # fmt: skip
            if good is not None and (value > good if name in LOWER_IS_BETTER else value < good):
                failed.append(f"{model}: {name} is {value:.3g}, {good:g} is wanted")
    Console().print(table)
    sys.exit("\n".join(failed) or 0)


def overfit_scores(model: str, given: argparse.Namespace) -> dict[str, float]:
    """The scores on the photographs that were learned."""
    recipe, folder, steps, own, inside = OVERFIT_CASES[model]
    steps = given.steps or steps
    data = (
        write_coco_crops(given.data / "coco", given.out)
        if folder == COCO_CROPS
        else given.data / folder
    )
    name = model if given.upsampler is None else f"{model}-{given.upsampler}"
    options = recipe.Options(
        data=data, out=given.out / name, model_options=inside,
        backbone=given.backbone, upsampler=given.upsampler, steps=steps, check_every=steps,
        warmup=min(50, steps // 4), **({} if model == "multitask" else {"model": model}),
        **SHARED_OPTIONS | own,
    )  # fmt: skip
    recipe.fit(options)
    return recipe.validate(options, "train")


def write_coco_crops(coco: Path, out: Path) -> Path:
    """The middles of eight photographs of COCO and their segments, as both splits.

    Of the 133 classes those that are on them: logits of the others would take half the time.
    """
    source = COCOPanoptic(coco, "train")
    photographs = evenly_spaced_subset(source, NUM_IMAGES)
    root = out / "coco_middles"
    for part in ("train2017", "val2017"):
        (root / part / "images").mkdir(parents=True, exist_ok=True)
        results, seen = {}, set[int]()
        for place in range(NUM_IMAGES):
            image, target = photographs[place]
            top, left = ((side - CROP_SIZE) // 2 for side in image.shape[1:])
            window = (slice(None), slice(top, top + CROP_SIZE), slice(left, left + CROP_SIZE))
            save_png(torch.as_tensor(image)[window], root / part / f"images/{place}.png")
            target["ids"] = target["ids"][window]
            results[str(place)] = target["ids"][0].long(), visible_segments(target)
            seen |= {segment.category_id for segment in visible_segments(target)}
        classes = [category for category in source.categories if category.id in seen]
        write_panoptic(root / part / "panoptic", results, classes)
    return root


if __name__ == "__main__":
    main()
