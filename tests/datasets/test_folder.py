"""A user's own folders: their splits, their labels, and what is refused before any work."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.recipes import tiny_own
from tests.recipes.tiny_coco import instance_map
from unstride.datasets.by_name import DEPTH_DATASETS, SEGMENTATION_DATASETS, create_dataset
from unstride.datasets.folder import DepthFolder, SegmentationFolder
from unstride.formats.images import image_size
from unstride.training.dataset_splits import load_dataset


@pytest.mark.parametrize("kind", ["numbers", "palette", "colours"])
def test_masks_of_every_kind_are_classes(kind, tmp_path):
    tiny_own.write_masks(tmp_path, kind=kind)
    dataset = create_dataset("folder", tmp_path, "train")
    assert dataset.classes == tuple(tiny_own.CLASSES)
    for name, (image, labels) in zip(dataset.names, dataset, strict=True):
        assert image.shape[1:] == labels.shape
        assert torch.equal(labels, torch.from_numpy(instance_map(int(name))).long())


def names(root, **options):
    return {s: SegmentationFolder(root, s, **options).names for s in ("train", "val")}


def test_a_random_split_divides_the_images_and_depends_on_the_seed_alone(tmp_path):
    tiny_own.write_masks(tmp_path, 20)
    split = names(tmp_path)
    assert (len(split["train"]), len(split["val"])) == (16, 4)
    assert sorted(split["train"] + split["val"]) == sorted(str(i) for i in range(20))
    assert split == names(tmp_path)
    assert split != names(tmp_path, split_seed=1)
    assert len(names(tmp_path, val_share=0.5)["val"]) == 10
    assert len(names(tmp_path, val_share=0.001)["val"]) == 1
    assert len(names(tmp_path, val_share=0.999)["train"]) == 1
    with pytest.raises(FileNotFoundError, match=r"test.txt: no such list"):
        SegmentationFolder(tmp_path, "test")
    with pytest.raises(ValueError, match=r"val_share must be above 0 and below 1, got 1\.0"):
        SegmentationFolder(tmp_path, "val", val_share=1.0)


def test_lists_say_what_is_in_a_split(tmp_path):
    tiny_own.write_masks(tmp_path)
    (tmp_path / "train.txt").write_text("images/3.jpg\n0\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("5.jpg\n", encoding="utf-8")
    assert names(tmp_path) == {"train": ["0", "3"], "val": ["5"]}
    (tmp_path / "val.txt").write_text("5\n9\n8\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"val.txt: no image is called '8' \(2 of 3 missing\)"):
        names(tmp_path)
    (tmp_path / "val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"val.txt: no such list"):
        names(tmp_path)


@pytest.mark.parametrize("layout", ["{split}/{kind}", "{kind}/{split}"])
@pytest.mark.parametrize("val", ["val", "valid"])
def test_folders_of_splits(layout, val, tmp_path):
    for split, count in (("train", 3), (val, 2)):
        tiny_own.write_masks(tmp_path / "made", count)
        for kind in ("images", "masks"):
            target = tmp_path / "own" / layout.format(split=split, kind=kind)
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "made" / kind).rename(target)
    (tmp_path / "made/classes.txt").rename(tmp_path / "own/classes.txt")
    assert names(tmp_path / "own") == {"train": ["0", "1", "2"], "val": ["0", "1"]}


def test_one_image_cannot_be_divided(tmp_path):
    tiny_own.write_masks(tmp_path, 1)
    with pytest.raises(ValueError, match="two images or more, got 1"):
        names(tmp_path)


def test_what_is_wrong_is_said_before_any_work(tmp_path):
    tiny_own.write_masks(tmp_path)
    mask = tmp_path / "masks/3.png"
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(mask)
    with pytest.raises(ValueError, match=r"3.png: 7 x 9 pixels, but its image has 80 x 64"):
        load_dataset(SEGMENTATION_DATASETS, "folder", tmp_path, "train")
    mask.unlink()
    with pytest.raises(FileNotFoundError, match=r"3.png: no such label file \(1 missing\)"):
        names(tmp_path)
    tiny_own.write_mask(mask, instance_map(3), "numbers")
    Image.new("RGB", (80, 64)).save(tmp_path / "images/3.png")
    with pytest.raises(ValueError, match=r"images must differ in their names, got 3.jpg, 3.png"):
        names(tmp_path)
    (tmp_path / "images/3.png").unlink()
    (tmp_path / "classes.txt").write_text("\n".join(map(str, range(256))), encoding="utf-8")
    with pytest.raises(ValueError, match="at most 255 classes, got 256"):
        names(tmp_path)
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"classes.txt: no such list of classes; write"):
        names(tmp_path)


def test_a_turned_photograph_has_the_size_of_its_upright_mask(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (8, 4)
    assert image_size(tmp_path / "a.jpg", upright=False) == (4, 8)


@pytest.mark.parametrize("kind", ["png", "npy"])
def test_depth_is_in_metres(kind, tmp_path):
    tiny_own.write_depth(tmp_path, kind=kind)
    _, depth = DepthFolder(tmp_path, "val")[0]
    assert depth.dtype == torch.float32
    expected = torch.linspace(1, 3, depth.numel()).view_as(depth)
    assert (depth - expected).abs().max() <= 0.001  # a step of the PNG


def test_the_scale_of_depth_images_may_be_another(tmp_path):
    tiny_own.write_depth(tmp_path)
    one, ten = (DepthFolder(tmp_path, "val", metres_per_step=s)[0][1] for s in (0.001, 0.01))
    torch.testing.assert_close(ten, 10 * one)
    for path in (tmp_path / "depth").iterdir():
        Image.fromarray(np.zeros((9, 7), np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"png: 7 x 9 pixels, but its image has 80 x 64"):
        load_dataset(DEPTH_DATASETS, "folder", tmp_path, "val")


def test_depth_that_is_no_depth_is_unknown(tmp_path):
    tiny_own.write_depth(tmp_path, kind="npy")
    dataset = DepthFolder(tmp_path, "val")
    path = dataset.label_paths[0][0]
    metres = np.ones((64, 80))
    metres[0, :4] = np.nan, np.inf, -1, 0
    np.save(path, metres)
    _, depth = dataset[0]
    assert depth[0, :5].tolist() == [0, 0, 0, 0, 1]
    np.save(path, np.ones((3, 4)))
    load_dataset(DEPTH_DATASETS, "folder", tmp_path, "val")  # sizes of arrays are seen later
    with pytest.raises(ValueError, match=rf"{path.name}: shape must be \(64, 80\)"):
        dataset[0]
