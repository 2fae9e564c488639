"""KITTI with annotated depth: the raw drives and the depth benchmark. Uhrig et al., 3DV 2017."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, ItemFiles, image_files
from unstride.formats.cameras import check_intrinsics, read_calibration
from unstride.formats.labels import load_depth
from unstride.formats.text import read_lines
from unstride.geometry import half_pixel_intrinsics, resized_intrinsics

SPLIT_LISTS = "eigen_{}_files.txt", "eigen_{}_files_with_gt.txt", "{}_files.txt"
SPLIT_LINE = re.compile(
    r"/?(\d{4}_\d\d_\d\d)/(?P<drive>\1_drive_\d{4}_sync)"
    r"(\s+(?P<number>\d+)\s+(?P<side>[lr])|/(?P<camera>image_0[23])/data/(?P<file>\d+)\.\S+.*)"
)
CAMERA_FOLDERS = {"l": "image_02", "r": "image_03"}
GROUND_TRUTH_FOLDER = "proj_depth/groundtruth"
METRES_PER_STEP = 1 / 256


class DriveFrame(NamedTuple):
    """A drive, a camera (image_02 or image_03) and a frame number."""

    drive: str
    camera: str
    number: int


class KITTIDepth(DepthDataset):
    """Images of the two colour cameras, with depth measured by lidar: 16 bits, metres times 256.

    A split is a list below the root, such as eigen_test_files.txt, in its order. Its frames
    without depth are left out, such as the first and last five of each drive. That leaves 652 of
    Eigen's 697. Without a list, `train` and `val` are the benchmark's folders: all drives with
    images, except those in another split's list, since the folders contain Eigen's test drives.
    """

    splits = ("train", "val", "test")
    layout = (
        "[raw/]DATE/{calib_cam_to_cam.txt,DATE_drive_NNNN_sync/image_02/data/NNNNNNNNNN.png} and "
        "[data_depth_annotated/]{train,val}/DATE_drive_NNNN_sync/proj_depth/groundtruth/"
        "image_02/NNNNNNNNNN.png, with or without eigen_{train,val,test}_files.txt"
    )

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the frames of the split's list, or of its folder."""
        lists = {split: path for split in self.splits if (path := self._split_list(split))}
        if self.split in lists:
            return self._items_in_list(lists[self.split])
        if self.split == "test":
            path = self.root / SPLIT_LISTS[0].format("test")
            raise FileNotFoundError(f"{path}: no such list; expected layout: {self.layout}")
        return self._items_in_folders(lists.values())

    def read_labels(self, index: int, size: tuple[int, int]) -> Float[Tensor, "h w"]:
        """Read metres along the optical axis, or 0."""
        return load_depth(self.label_paths[index][0], size, metres_per_step=METRES_PER_STEP)

    def intrinsics_for(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """Return the intrinsics of an item, resized to this (height, width).

        Raises:
            ValueError: if the calibration file of its date is damaged.
            FileNotFoundError: if there is none.
        """
        drive, camera, _ = self.names[index].split("/")
        path = self._raw_folder() / drive[:10] / "calib_cam_to_cam.txt"
        number = camera[-2:]
        projection = read_calibration(path, f"P_rect_{number}:", self.layout, count=12).view(3, 4)
        check_intrinsics(projection[:, :3], path)
        width, height = (
            read_calibration(path, f"S_rect_{number}:", self.layout, count=2).int().tolist()
        )
        if min(width, height) < 1:
            raise ValueError(f"{path}: S_rect_{number} must be at least 1 x 1 pixels")
        return resized_intrinsics(half_pixel_intrinsics(projection[:, :3]), (height, width), size)

    def _split_list(self, split: str) -> Path | None:
        paths = (self.root / name.format(split) for name in SPLIT_LISTS)
        return next((path for path in paths if path.is_file()), None)

    def _items_in_list(self, path: Path) -> Iterator[ItemFiles]:
        base_folder = self.find_folder("data_depth_annotated", "")
        for drive, camera, number in read_split_list(path):
            drive_folder = f"{drive}/{GROUND_TRUTH_FOLDER}/{camera}"
            candidates = [base_folder / part / drive_folder for part in ("train", "val", "")]
            folder = next((folder for folder in candidates if folder.is_dir()), None)
            if folder is None:
                raise FileNotFoundError(
                    f"{candidates[0]}: no such folder, and none in val, but {path.name} lists it; "
                    f"expected layout: {self.layout}"
                )
            depth_path = folder / f"{number:010d}.png"
            if depth_path.is_file():
                yield self._item(drive, camera, depth_path)

    def _items_in_folders(self, other_lists: Iterable[Path]) -> Iterator[ItemFiles]:
        excluded = {frame.drive for path in other_lists for frame in read_split_list(path)}
        base_folder = self.find_folder(f"data_depth_annotated/{self.split}", self.split)
        for folder in sorted(base_folder.glob(f"*/{GROUND_TRUTH_FOLDER}/image_0[23]")):
            drive, camera = folder.parts[-4], folder.name
            if drive not in excluded and self._image_folder(drive, camera).is_dir():
                for depth_path in image_files(folder):
                    yield self._item(drive, camera, depth_path)

    def _raw_folder(self) -> Path:
        return self.find_folder("raw", "")

    def _image_folder(self, drive: str, camera: str) -> Path:
        return self._raw_folder() / drive[:10] / drive / camera / "data"

    def _item(self, drive: str, camera: str, depth_path: Path) -> ItemFiles:
        folder = self._image_folder(drive, camera)
        for suffix in (".png", ".jpg"):
            if (image := folder / f"{depth_path.stem}{suffix}").is_file():
                return ItemFiles(f"{drive}/{camera}/{depth_path.stem}", image, [depth_path])
        raise FileNotFoundError(
            f"{folder / depth_path.stem}.png or .jpg: no such image; expected layout: {self.layout}"
        )


def read_split_list(path: Path) -> list[DriveFrame]:
    """Read the frames of a split's list.

    Lines are `DATE/DRIVE NUMBER l` or `r`, as in Monodepth2, or begin with the image's path, as in
    Monodepth and in BTS; the rest of the line is ignored.

    Raises:
        ValueError: if a line is neither, or the file is not text.
    """
    frames = []
    for line in read_lines(path):
        match = SPLIT_LINE.fullmatch(line)
        if match is None:
            raise ValueError(
                f"{path}: expected lines such as 2011_09_26/2011_09_26_drive_0001_sync 5 l, "
                f"or lines that begin with an image path, got {line!r}"
            )
        camera = match["camera"] or CAMERA_FOLDERS[match["side"]]
        number = int(match["number"] or match["file"])
        frames.append(DriveFrame(match["drive"], camera, number))
    return frames
