"""The command `unstride data check`: prints what is in a data set, and what is wrong where."""

import sys
from pathlib import Path
from typing import Literal

from unstride.cli.missing_package import missing_package_message

TaskName = Literal["segmentation", "detection", "panoptic", "depth"]


def check_data(
    path: Path,
    task: TaskName | None = None,
    dataset: str | None = None,
    images: Path | None = None,
    annotations: Path | None = None,
    val_images: Path | None = None,
    val_annotations: Path | None = None,
    val_share: float | None = None,
    split_seed: int | None = None,
    metres_per_step: float | None = None,
    out: Path = Path("check.png"),
) -> int:
    """Read every image and label of a data set once, and say what is in it and what is wrong.

    Prints the number of images of each split, their sizes, how often each class occurs, and each
    file that cannot be read or does not fit. Writes a picture of some images with their labels:
    look at it. The exit code is 1 if something is wrong.

    docs/your_data.md shows the folders that are understood.

    Args:
        path: folder of the data set.
        task: what is to be trained: segmentation, detection, panoptic or depth. Default: guessed
            from the folders.
        dataset: name of the data set as in `unstride fit`, such as folder or coco. Default: guessed
            from the folders.
        images: folder of the images, for data in COCO's format. This path and the next ones are
            relative to PATH. Default: the folder of the annotations.
        annotations: JSON file in COCO's format. Default: the folders are those of COCO.
        val_images: folder of the images of val. Default: as for images.
        val_annotations: JSON file of val. Default: val is a random part of the images.
        val_share: share of the images that are held out as val, where there are no splits; above 0
            and below 1. Default: 0.2.
        split_seed: seed of the choice of these images. Default: 0.
        metres_per_step: metres per step of the numbers in 16-bit depth images. Default: 0.001, for
            millimetres.
        out: output picture, with a name that ends in .png.
    """
    from unstride.cli.data_report import print_report, tracked
    from unstride.datasets.by_name import DATASETS_OF_TASK
    from unstride.datasets.check import check_splits
    from unstride.datasets.guess import guess_dataset
    from unstride.formats.errors import error_summary
    from unstride.training.dataset_splits import open_dataset
    from unstride.viz import save_png
    from unstride.viz.contact_sheet import contact_sheet

    options = {
        "images": images, "annotations": annotations, "val_images": val_images,
        "val_annotations": val_annotations, "val_share": val_share, "split_seed": split_seed,
        "metres_per_step": metres_per_step,
    }  # fmt: skip
    try:
        kind, name = (task, dataset) if task and dataset else guess_dataset(path, task, dataset)
        table = DATASETS_OF_TASK[kind]
        splits = table[name].splits if name in table else ("train",)
        checks = check_splits(
            lambda split: open_dataset(table, name, path, split, **options), splits, tracked
        )
        if tiles := [tile for check in checks for tile in check.tiles]:
            save_png(contact_sheet(tiles, max(c.class_names for c in checks)), out)
    except (ValueError, OSError) as error:
        print(f"unstride data check: {error_summary(error)}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(missing_package_message("data check", error), file=sys.stderr)
        return 1
    print(f"{path}: {kind}, data set {name}")
    print_report(checks)
    if tiles:
        print(f"contact sheet: {out}")
    return 1 if any(check.problems for check in checks) else 0
