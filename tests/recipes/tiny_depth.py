"""Rooms in the layouts of the real data sets, of a size that takes no time."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

H, W = 24, 32
TINY_OPTIONS = {
    "backbone": "resnet18",
    "pretrained": False,
    "model_options": {"width": 8},
    "batch_size": 2,
    "steps": 2,
    "val_every": 2,
    "save_every": 1,
    "size": (H, W),
    "device": "cpu",
}


def random_photo(seed: int) -> Image.Image:
    """A smooth picture."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(rough).resize((W, H), Image.Resampling.BILINEAR)


def write_posed_rgbd(root: Path) -> Path:
    """A moving RGB-D camera: four frames that teach, three that are scored."""
    for folder in ("images", "depth"):
        (root / folder).mkdir(parents=True)
    poses = []
    for n in (0, 1, 2, 3, 840, 841, 842):
        random_photo(n).save(root / "images" / f"{n:06d}.png")
        depth = (2000 + 300 * np.sin(np.arange(W) / 5 + n) * np.ones((H, 1))).astype(np.uint16)
        depth[:2, :2] = 0
        Image.fromarray(depth).save(root / "depth" / f"{n:06d}.png")
        poses.append(f"{n:06d} 1 0 0 {0.05 * n} 0 1 0 0 0 0 1 0")
    (root / "poses.txt").write_text("\n".join(poses), encoding="utf-8")
    (root / "intrinsics.txt").write_text("30 0 15\n0 30 11\n0 0 1\n", encoding="utf-8")
    return root


def write_kitti(root: Path) -> Path:
    """KITTI odometry as it is unpacked: a sequence that teaches, one that is scored."""
    (root / "poses").mkdir(parents=True)
    for name in ("00", "09"):
        (root / "sequences" / name / "image_2").mkdir(parents=True)
        for n in range(3):
            random_photo(n).save(root / "sequences" / name / "image_2" / f"{n:06d}.png")
        calibration = "P2: 30 0 15 0 0 30 11 0 0 0 1 0\n"
        (root / "sequences" / name / "calib.txt").write_text(calibration, encoding="utf-8")
        rows = [f"1 0 0 0 0 1 0 0 0 0 1 {n}" for n in range(3)]
        (root / "poses" / f"{name}.txt").write_text("\n".join(rows), encoding="utf-8")
    return root


def write_kitti_depth(root: Path) -> Path:
    """KITTI's annotated depth: a drive that teaches, one that is scored, one of a list."""
    for number, part in enumerate(("train", "val", "train"), start=1):
        drive = f"2011_09_26_drive_{number:04d}_sync"
        photographs = root / "2011_09_26" / drive / "image_02" / "data"
        depths = root / part / drive / "proj_depth" / "groundtruth" / "image_02"
        for folder in (photographs, depths):
            folder.mkdir(parents=True)
        for n in range(5):
            random_photo(n).save(photographs / f"{n:010d}.png")
            if 0 < n < 4:
                depth = 256 * (5 + 3 * np.sin(np.arange(W) / 5 + n)) * np.ones((H, 1))
                depth[: H // 4] = 0
                Image.fromarray(depth.astype(np.uint16)).save(depths / f"{n:010d}.png")
    (root / "eigen_test_files.txt").write_text(f"2011_09_26/{drive} 2 l\n", encoding="utf-8")
    calibration = f"S_rect_02: {W} {H}\nP_rect_02: 30 0 15 0 0 30 11 0 0 0 1 0\n"
    (root / "2011_09_26" / "calib_cam_to_cam.txt").write_text(calibration, encoding="utf-8")
    return root


def write_nyuv2(root: Path) -> Path:
    """The labelled frames of NYUv2, as BTS unpacks them."""
    for split in ("train", "test"):
        folder = root / split / "study"
        folder.mkdir(parents=True)
        for n in range(2):
            random_photo(n).save(folder / f"rgb_{n:05d}.jpg")
            depth = np.full((H, W), 1500 + 500 * n, np.uint16)
            Image.fromarray(depth).save(folder / f"sync_depth_{n:05d}.png")
    return root


def write_nyuv2_tasks(root: Path) -> Path:
    """NYUv2 with 13 classes, as arrays."""
    for split in ("train", "val"):
        for kind in ("image", "label", "depth"):
            (root / split / kind).mkdir(parents=True)
        for n in range(2):
            classes = np.arange(H * W).reshape(H, W) // 60 - 1.0
            depth = np.full((H, W, 1), 1.5 + 0.5 * n)
            np.save(root / split / "image" / f"{n}.npy", np.asarray(random_photo(n)) / 255)
            np.save(root / split / "label" / f"{n}.npy", classes)
            np.save(root / split / "depth" / f"{n}.npy", depth)
    return root


def states_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
