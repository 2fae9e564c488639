"""KITTI with annotated depth: the raw drives and the depth benchmark. Uhrig et al., 3DV 2017."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from unstride.datasets.base import DepthDataset, ItemFiles, image_files
from unstride.formats.cameras import read_calibration
from unstride.formats.labels import load_depth
from unstride.geometry import half_pixel_intrinsics, resized_intrinsics

SPLIT_LISTS = "eigen_{}_files.txt", "eigen_{}_files_with_gt.txt", "{}_files.txt"
SPLIT_LINE = re.compile(
    r"/?(\d{4}_\d\d_\d\d)/(?P<drive>\1_drive_\d{4}_sync)"
    r"(\s+(?P<number>\d+)\s+(?P<side>[lr])|/(?P<camera>image_0[23])/data/(?P<file>\d+)\.\S+.*)"
)
CAMERA_FOLDERS = {"l": "image_02", "r": "image_03"}
GROUND_TRUTH_FOLDER = "proj_depth/groundtruth"

DriveFrame = tuple[str, str, int]  # a drive, image_02 or image_03, a number


class KITTIDepth(DepthDataset):
    """Photographs of the two colour cameras, with depth that lidar saw: 16 bits, metres times 256.

    A list under the root, such as eigen_test_files.txt, is its split, in its order; its frames
    without depth are left out, as the first and last five of a drive are. That leaves 652 of
    Eigen's 697. Without a list `train` and `val` are the benchmark's folders: of the drives that
    have photographs those in no other split's list, since Eigen's test is part of the folders.
    """

    splits = ("train", "val", "test")
    layout = (
        "[raw/]DATE/{calib_cam_to_cam.txt,DATE_drive_NNNN_sync/image_02/data/NNNNNNNNNN.png} and "
        "[data_depth_annotated/]{train,val}/DATE_drive_NNNN_sync/proj_depth/groundtruth/"
        "image_02/NNNNNNNNNN.png, with or without eigen_{train,val,test}_files.txt"
    )

    def find(self) -> Iterator[ItemFiles]:
        """The frames of the split's list, or of its folder."""
        lists = {split: path for split in self.splits if (path := self._list(split))}
        if self.split in lists:
            return self._listed(lists[self.split])
        if self.split == "test":
            path = self.root / SPLIT_LISTS[0].format("test")
            raise FileNotFoundError(f"{path}: no such list; expected is {self.layout}")
        return self._unlisted(lists.values())

    def read(self, index: int, size: tuple[int, int]) -> Float[Tensor, "h w"]:
        """Metres along the optical axis, or 0."""
        return load_depth(self.labels[index][0], size, unit=1 / 256)

    def camera(self, index: int, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """The intrinsics of an item at this size.

        Raises:
            ValueError: if the calibration of its date is damaged.
            FileNotFoundError: if there is none.
        """
        drive, camera, _ = self.names[index].split("/")
        path = self.folder("raw", "") / drive[:10] / "calib_cam_to_cam.txt"
        number = camera[-2:]
        projection = read_calibration(path, f"P_rect_{number}:", self.layout, count=12).view(3, 4)
        width, height = (
            read_calibration(path, f"S_rect_{number}:", self.layout, count=2).int().tolist()
        )
        return resized_intrinsics(half_pixel_intrinsics(projection[:, :3]), (height, width), size)

    def _list(self, split: str) -> Path | None:
        paths = (self.root / name.format(split) for name in SPLIT_LISTS)
        return next((path for path in paths if path.is_file()), None)

    def _listed(self, path: Path) -> Iterator[ItemFiles]:
        home = self.folder("data_depth_annotated", "")
        for drive, camera, number in read_split_list(path):
            below = f"{drive}/{GROUND_TRUTH_FOLDER}/{camera}"
            folders = [home / part / below for part in ("train", "val", "")]
            folder = next((folder for folder in folders if folder.is_dir()), None)
            if folder is None:
                raise FileNotFoundError(
                    f"{folders[0]}: no such folder, nor in val, though {path.name} has the drive; "
                    f"expected is {self.layout}"
                )
            depth = folder / f"{number:010d}.png"
            if depth.is_file():
                yield self._item(drive, camera, depth)

    def _unlisted(self, lists: Iterable[Path]) -> Iterator[ItemFiles]:
        taken = {drive for path in lists for drive, _, _ in read_split_list(path)}
        home = self.folder(f"data_depth_annotated/{self.split}", self.split)
        for folder in sorted(home.glob(f"*/{GROUND_TRUTH_FOLDER}/image_0[23]")):
            drive, camera = folder.parts[-4], folder.name
            if drive not in taken and self._photographs(drive, camera).is_dir():
                for depth in image_files(folder):
                    yield self._item(drive, camera, depth)

    def _photographs(self, drive: str, camera: str) -> Path:
        return self.folder("raw", "") / drive[:10] / drive / camera / "data"

    def _item(self, drive: str, camera: str, depth: Path) -> ItemFiles:
        folder = self._photographs(drive, camera)
        for suffix in (".png", ".jpg"):
            if (image := folder / f"{depth.stem}{suffix}").is_file():
                return f"{drive}/{camera}/{depth.stem}", image, [depth]
        raise FileNotFoundError(
            f"{folder / depth.stem}.png: no such photograph, nor .jpg; expected is {self.layout}"
        )


def read_split_list(path: Path) -> list[DriveFrame]:
    """The frames of a list.

    Lines are `DATE/DRIVE NUMBER l` or `r`, as in Monodepth2, or begin with the photograph's path,
    as in Monodepth and in BTS; what follows it is not read.

    Raises:
        ValueError: if a line is neither.
    """
    frames = []
    for line in filter(None, map(str.strip, path.read_text().splitlines())):
        found = SPLIT_LINE.fullmatch(line)
        if found is None:
            raise ValueError(
                f"{path}: {line!r} is not as 2011_09_26/2011_09_26_drive_0001_sync 5 l, "
                "nor does it begin with a photograph's path"
            )
        camera = found["camera"] or CAMERA_FOLDERS[found["side"]]
        frames.append((found["drive"], camera, int(found["number"] or found["file"])))
    return frames
