"""`python -m benchmarks.overfit --data DATA`: can each network learn eight photographs by heart?

The recipes as they are, without augmentation, on eight photographs of `train`, which are scored
too: Penn-Fudan for the detectors, COCO for the panoptic networks. A network that cannot do this
is broken; how well one generalises is not said. DATA has pennfudan/ and coco/.

    python -m benchmarks.overfit --data DATA --models mask_rcnn panoptic_fpn --upsampler carafe
"""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from unstride.models.detection import KINDS
from unstride.recipes import detection, panoptic
from unstride.recipes.panoptic_learner import LEARNERS

PHOTOGRAPHS = 8
FEW = {
    "rpn_pre_nms_top_n_train": 400, "rpn_post_nms_top_n_train": 200,
    "rpn_pre_nms_top_n_test": 400, "rpn_post_nms_top_n_test": 100, "box_batch_size_per_image": 64,
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "faster_rcnn": {"width": 64, **FEW},
    "mask_rcnn": {"width": 64, **FEW},
    "fcos": {"width": 64},
    "retinanet": {"width": 64},
    "panoptic_fpn": {"width": 64, "branch_width": 64, **FEW},
    "panoptic_deeplab": {"width": 64},
}


def main() -> None:
    """Train each network, then print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overfit", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with pennfudan/ and coco/")
    parser.add_argument("--models", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--upsampler", help="a word of `unstride list`; by default each its own")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--out", type=Path, default=Path("runs/overfit"))
    given = parser.parse_args()
    table = Table(
        "model", "score", "value", title=f"{PHOTOGRAPHS} photographs, {given.steps} steps"
    )
    for model in given.models:
        for name, value in overfitted(model, given).items():
            table.add_row(model, name, f"{value:.1f}")
    Console().print(table)


def overfitted(model: str, given: argparse.Namespace) -> dict[str, float]:
    """The scores on the photographs that were learned, in percent."""
    recipe, folder = (panoptic, "coco") if model in LEARNERS else (detection, "pennfudan")
    coarse = (8, 16, 32) if model in KINDS and "rcnn" not in model else (4, 8, 16, 32)
    kind: dict[str, Any] = {"batch_size": 4}
    if model == "panoptic_deeplab":  # which is scored at full size, so it learns there
        kind = {"batch_size": 2, "crop": (480, 640)}
    options = recipe.Options(
        data=given.data / folder, out=given.out / model, model=model, model_options=OPTIONS[model],
        backbone=given.backbone, upsampler=given.upsampler, strides=coarse, min_size=(256,),
        max_size=400, flip=False, steps=given.steps, learning_rate=1e-3,
        backbone_rate=0.3, warmup=min(50, given.steps // 4), schedule="cosine", weight_decay=1e-4,
        check_every=given.steps, train_limit=PHOTOGRAPHS, limit=PHOTOGRAPHS, **kind,
    )  # fmt: skip
    recipe.fit(options)
    return recipe.validate(options, "train")


if __name__ == "__main__":
    main()
