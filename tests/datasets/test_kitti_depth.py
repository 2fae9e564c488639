"""KITTI's annotated depth: which frames a split has, whose camera they are of, what is missing."""

import shutil

import pytest
import torch
from PIL import Image

from tests.datasets.layouts import (
    HEIGHT,
    KITTI_CALIBRATION,
    KITTI_DRIVES,
    WIDTH,
    kitti_depth,
    write_photo,
)
from unstride.datasets.frame_triplets import FrameTriplets
from unstride.datasets.kitti_depth import KITTIDepth
from unstride.transforms.frame_triplets import flip_triplet

TRAIN, VAL = KITTI_DRIVES["train"], KITTI_DRIVES["val"]


def names(drive, cameras=(2, 3), numbers=(5, 6)):
    return [f"{drive}/image_0{camera}/{n:010d}" for camera in cameras for n in numbers]


def write_list(root, text, split="val"):
    (root / f"eigen_{split}_files.txt").write_text(text, encoding="utf-8")


def names_of_list(root, text):
    write_list(root, text, "test")
    return KITTIDepth(root, "test").names


@pytest.mark.parametrize("photos", ["", "raw"])
@pytest.mark.parametrize("depths", ["", "data_depth_annotated"])
def test_without_lists_the_splits_are_the_folders_of_the_benchmark(tmp_path, photos, depths):
    kitti_depth(tmp_path, photos, depths)
    for split, drive in KITTI_DRIVES.items():
        frames = KITTIDepth(tmp_path, split)
        assert frames.names == names(drive)
        for name, image, (label,) in zip(
            frames.names, frames.image_paths, frames.label_paths, strict=True
        ):
            camera, number = name.split("/")[1:]
            assert image.parts[-5:-1] == ("2011_09_26", drive, camera, "data")
            assert label.parts[-6:-1] == (split, drive, "proj_depth", "groundtruth", camera)
            assert image.stem == label.stem == number
    with pytest.raises(FileNotFoundError, match=r"eigen_test_files\.txt: no such list"):
        KITTIDepth(tmp_path, "test")


def test_a_list_is_its_split_in_its_order(tmp_path):
    kitti_depth(tmp_path)
    text = f"2011_09_26/{VAL} 0000000006 r\n\n2011_09_26/{TRAIN} 5 l\n2011_09_26/{VAL} 5 l\n"
    expected = names(VAL, [3], [6]) + names(TRAIN, [2], [5]) + names(VAL, [2], [5])
    assert names_of_list(tmp_path, text) == expected


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize(
    "rest",
    ["", f" 2011_09_26/{VAL}/image_03/data/0000000006.jpg", " None 721.5377"],
)
@pytest.mark.parametrize("start", ["", "/"])
def test_a_line_may_be_the_path_of_a_photograph(tmp_path, suffix, rest, start):
    kitti_depth(tmp_path)
    line = f"{start}2011_09_26/{VAL}/image_03/data/0000000005.{suffix}{rest}"
    assert names_of_list(tmp_path, line) == names(VAL, [3], [5])


@pytest.mark.parametrize(
    "name", ["eigen_val_files.txt", "eigen_val_files_with_gt.txt", "val_files.txt"]
)
def test_lists_have_their_usual_names(tmp_path, name):
    kitti_depth(tmp_path)
    (tmp_path / name).write_text(f"2011_09_26/{TRAIN} 6 l", encoding="utf-8")
    assert KITTIDepth(tmp_path, "val").names == names(TRAIN, [2], [6])


def test_frames_of_a_list_without_depth_are_left_out(tmp_path):
    kitti_depth(tmp_path)
    text = "".join(f"2011_09_26/{VAL} {n} l\n" for n in range(4, 8))
    assert names_of_list(tmp_path, text) == names(VAL, [2])


def test_what_a_list_names_is_in_no_folder_s_split(tmp_path):
    kitti_depth(tmp_path)
    shutil.copytree(tmp_path / "train" / TRAIN, tmp_path / "val" / TRAIN)
    assert KITTIDepth(tmp_path, "val").names == names(TRAIN) + names(VAL)
    names_of_list(tmp_path, f"2011_09_26/{TRAIN} 5 l")
    assert KITTIDepth(tmp_path, "val").names == names(VAL)
    with pytest.raises(FileNotFoundError, match="no image of split 'train'"):
        KITTIDepth(tmp_path, "train")


def test_drives_in_one_folder_are_found_by_a_list(tmp_path):
    kitti_depth(tmp_path, depths="data_depth_annotated")
    home = tmp_path / "data_depth_annotated"
    for part, drive in KITTI_DRIVES.items():
        (home / part / drive).rename(home / drive)
    text = "".join(f"2011_09_26/{drive} 5 l\n" for drive in KITTI_DRIVES.values())
    assert names_of_list(tmp_path, text) == names(TRAIN, [2], [5]) + names(VAL, [2], [5])


def test_drives_without_photographs_are_passed_over(tmp_path):
    kitti_depth(tmp_path)
    shutil.rmtree(tmp_path / "2011_09_26" / VAL / "image_03")
    assert KITTIDepth(tmp_path, "val").names == names(VAL, [2])


WRONG = {
    "no photograph": (
        lambda root: (root / f"2011_09_26/{VAL}/image_02/data/0000000006.jpg").unlink(),
        f"{VAL}/image_02/data/0000000006.png or .jpg: no such image",
    ),
    "no drive": (
        lambda root: write_list(root, f"2011_09_26/{VAL[:-9]}0009_sync 5 l"),
        f"train/{VAL[:-9]}0009_sync/proj_depth/groundtruth/image_02: no such folder, and none in "
        "val, but eigen_val_files.txt lists it",
    ),
    "no frame": (
        lambda root: write_list(root, f"2011_09_26/{VAL} 5 l\n2011_09_26/{VAL} five l\n"),
        f"an image path, got '2011_09_26/{VAL} five l'",
    ),
    "another day": (
        lambda root: write_list(root, f"2011_09_28/{VAL} 5 l"),
        f"an image path, got '2011_09_28/{VAL} 5 l'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_sentence_names_the_file(tmp_path, kind):
    kitti_depth(tmp_path)
    damage, message = WRONG[kind]
    damage(tmp_path)
    with pytest.raises((FileNotFoundError, ValueError)) as error:
        KITTIDepth(tmp_path, "val")
    assert f"{tmp_path}/" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("photos", ["", "raw"])
def test_a_camera_is_that_of_the_photograph_at_its_size(tmp_path, photos):
    kitti_depth(tmp_path, photos)
    frames = KITTIDepth(tmp_path, "val")
    # Centres of pixels are at whole numbers in the file, for 16 x 6 pixels.
    assert frames.intrinsics_for(0, (6, 16)).tolist() == [[9, 0, 4.5], [0, 8, 3.5], [0, 0, 1]]
    assert frames.intrinsics_for(1, (3, 8)).tolist() == [[4.5, 0, 2.25], [0, 4, 1.75], [0, 0, 1]]
    assert frames.intrinsics_for(2, (6, 8)).tolist() == [[9, 0, 5.5], [0, 8, 2.5], [0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S_rect_02: 8 6\n", "calib_cam_to_cam.txt: no line P_rect_02:"),
        ("P_rect_02: 1 2\n", "calib_cam_to_cam.txt: line P_rect_02: has 2 numbers, expected 12"),
        (KITTI_CALIBRATION.replace("1.6e+01 6.0e+00", "8"), "S_rect_02: has 1 numbers, expected 2"),
        (KITTI_CALIBRATION.replace("18.5", "much"), "calib_cam_to_cam.txt: .*'much'"),
        (None, "calib_cam_to_cam.txt: no such file; expected layout"),
        (
            KITTI_CALIBRATION.replace("1.6e+01 6.0e+00", "0 6"),
            r"calib_cam_to_cam\.txt: S_rect_02 must be at least 1 x 1 pixels",
        ),
        (KITTI_CALIBRATION.replace(": 9", ": 0"), r"cam\.txt: focal lengths must be above 0"),
    ],
)
def test_a_damaged_calibration_is_named_and_depth_needs_none(tmp_path, text, message):
    kitti_depth(tmp_path)
    path = tmp_path / "2011_09_26" / "calib_cam_to_cam.txt"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    frames = KITTIDepth(tmp_path, "val")
    assert frames[0][1].max() > 0
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        frames.intrinsics_for(0, (6, 8))


def test_neighbours_are_photographs_of_the_drive_with_or_without_depth(tmp_path):
    kitti_depth(tmp_path)
    write_list(tmp_path, f"2011_09_26/{VAL} 6 l\n2011_09_26/{VAL} 5 r\n")
    photographs = tmp_path / "2011_09_26" / VAL
    write_photo(photographs / "image_02/data/cover.jpg")
    Image.new("RGB", (WIDTH, HEIGHT)).save(photographs / "image_03/data/0000000004.jpg")
    triplets = FrameTriplets(KITTIDepth(tmp_path, "val"))
    assert triplets.names == names(VAL, [2], [6]) + names(VAL, [3], [5])
    stems = [(before.stem[-1], after.stem[-1]) for before, _, after in triplets.triplets]
    assert stems == [("5", "7"), ("4", "6")]
    assert {path.parts[-3] for path in triplets.triplets[1][::2]} == {"image_03"}
    sample = triplets[1]
    assert "poses" not in sample
    assert sample["sources"].shape == (2, 3, 6, 8)
    assert [round(source[0].max().item()) for source in sample["sources"]] == [0, 1]
    assert sample["intrinsics"].tolist() == [[9, 0, 5.5], [0, 8, 2.5], [0, 0, 1]]
    assert sample["depth"].flatten()[:2].tolist() == [0, 2.5]


def test_neighbours_without_poses_are_resized_and_mirrored(tmp_path):
    kitti_depth(tmp_path)
    sample = FrameTriplets(KITTIDepth(tmp_path, "val"), size=(3, 4))[2]
    assert sample["image"].shape == (3, 3, 4)
    assert sample["intrinsics"].tolist() == [[4.5, 0, 2.75], [0, 4, 1.25], [0, 0, 1]]
    moved = flip_triplet(sample)
    assert moved["intrinsics"][0, 2] == 4 - 2.75
    assert "poses" not in moved
    torch.testing.assert_close(moved["depth"], sample["depth"].flip(-1))
