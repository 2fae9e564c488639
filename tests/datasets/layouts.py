"""Tiny made-up data sets in the layouts of the real ones, and where the real ones may lie."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 6, 8


def shared_data(folder: str) -> Path:
    """A folder of the data pack: $UNSTRIDE_DATA, or shared/data beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("UNSTRIDE_DATA", beside)) / folder
    if not path.is_dir():
        pytest.skip(f"no data pack: {path} is missing (set UNSTRIDE_DATA)")
    return path


def write_photo(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """A photograph of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (255, 0, 51)).save(path)


def write_labels(path: Path, numbers, dtype=np.uint8) -> None:
    """A label image: the given numbers from the top left, then the last of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(numbers) + [numbers[-1]] * (HEIGHT * WIDTH - len(numbers))
    Image.fromarray(np.array(numbers, dtype).reshape(HEIGHT, WIDTH)).save(path)


def camvid(root: Path) -> None:
    """As in the data pack."""
    for split in ("train", "val", "test"):
        for name in ("b", "a"):
            write_photo(root / split / "images" / f"{name}.jpg")
            write_labels(root / split / "labels" / f"{name}.png", range(12))


def camvid_tutorial(root: Path) -> None:
    """As in the SegNet tutorial."""
    for name in ("b", "a"):
        write_photo(root / "train" / f"{name}.png")
        write_labels(root / "trainannot" / f"{name}.png", range(12))


def cityscapes(root: Path) -> None:
    """Two cities, one frame each; the second has train ids as well."""
    for city, frame in (("ulm", "ulm_000001"), ("aachen", "aachen_000002")):
        write_photo(root / "leftImg8bit/train" / city / f"{frame}_leftImg8bit.png")
        write_labels(root / "gtFine/train" / city / f"{frame}_gtFine_labelIds.png", range(34))
    numbers = [*range(19), 255]
    write_labels(root / "gtFine/train/ulm/ulm_000001_gtFine_labelTrainIds.png", numbers)


def ade20k(root: Path) -> None:
    """One photograph of each split."""
    for part in ("training", "validation"):
        base_folder = root / "ADEChallengeData2016"
        write_photo(base_folder / "images" / part / "a.jpg")
        write_labels(base_folder / "annotations" / part / "a.png", [0, 1, 150])


def coco_stuff(root: Path) -> None:
    """One photograph of val."""
    write_photo(root / "images/val2017/000000000139.jpg")
    write_labels(root / "stuffthingmaps/val2017/000000000139.png", [0, 12, 91, 181, 255])


def voc(root: Path) -> None:
    """Two photographs of which the list names one, with a palette image."""
    base_folder = root / "VOCdevkit" / "VOC2012"
    for name in ("2007_000032", "2007_000033"):
        write_photo(base_folder / "JPEGImages" / f"{name}.jpg")
    path = base_folder / "SegmentationClass" / "2007_000032.png"
    write_labels(path, [0, 20, 255])
    palette = Image.open(path).convert("P")
    palette.putdata(np.array(Image.open(path)).ravel().tolist())
    palette.putpalette([7] * 768)
    palette.save(path)
    (base_folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    (base_folder / "ImageSets" / "Segmentation" / "val.txt").write_text(
        "2007_000032\n", encoding="utf-8"
    )


def posed_rgbd(root: Path) -> None:
    """Two scenes; the second is short."""
    for scene, frames in (("kitchen", (0, 800, 801, 839, 840)), ("shelf", (3,))):
        poses = []
        for frame in frames:
            write_photo(root / scene / "images" / f"{frame:06d}.jpg")
            write_labels(root / scene / "depth" / f"{frame:06d}.png", [0, 1500, 65535], np.uint16)
            poses.append(f"{frame:06d} 1 0 0 {frame} 0 1 0 0 0 0 1 0.5")
        (root / scene / "poses.txt").write_text("\n".join(poses), encoding="utf-8")
        (root / scene / "intrinsics.txt").write_text("9 0 4\n0 9 3\n0 0 1\n", encoding="utf-8")


def nyuv2(root: Path) -> None:
    """One frame of each split."""
    for split in ("train", "test"):
        scene = root / "official_splits" / split / "kitchen"
        write_photo(scene / "rgb_00045.jpg")
        write_labels(scene / "sync_depth_00045.png", [0, 2500], np.uint16)


KITTI_DRIVES = {"train": "2011_09_26_drive_0001_sync", "val": "2011_09_26_drive_0002_sync"}
KITTI_CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 1.6e+01 6.0e+00
P_rect_02: 9 0 4 18.5 0 8 3 0.375 0 0 1 0.125
S_rect_03: 8 6
P_rect_03: 9 0 5 -18.5 0 8 2 0.375 0 0 1 0.125
"""


def kitti_depth(root: Path, photos: str = "", depths: str = "") -> None:
    """A drive of each folder: photographs 4 to 7 of two cameras, PNG and JPEG; depth of 5 and 6."""
    for part, drive in KITTI_DRIVES.items():
        for camera in ("image_02", "image_03"):
            for n in range(4, 8):
                suffix = "png" if part == "train" else "jpg"
                folder = root / photos / drive[:10] / drive / camera / "data"
                write_photo(folder / f"{n:010d}.{suffix}")
            for n in (5, 6):
                folder = root / depths / part / drive / "proj_depth" / "groundtruth" / camera
                write_labels(folder / f"{n:010d}.png", [0, 640, 65535], np.uint16)
    (root / photos / "2011_09_26" / "calib_cam_to_cam.txt").write_text(
        KITTI_CALIBRATION, encoding="utf-8"
    )


def coco_panoptic(root: Path) -> None:
    """Two segments and one pixel of none, as colours."""
    write_photo(root / "val2017/images/000000000139.jpg")
    ids = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ids[:, : WIDTH // 2] = 7, 1, 0
    ids[:, WIDTH // 2 :] = 7, 0, 2
    ids[0, 0] = 0
    (root / "val2017/panoptic").mkdir(parents=True)
    Image.fromarray(ids).save(root / "val2017/panoptic/000000000139.png")


def bsds(root: Path) -> None:
    """One photograph and eleven annotators: `10` comes after `2`."""
    write_photo(root / "val/images/8023.jpg")
    for k in range(11):
        write_labels(root / f"val/segments/8023_{k}.png", [1, k + 1])
