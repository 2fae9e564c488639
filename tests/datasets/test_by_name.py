"""Every labelled data set in its own layout: made-up folders, and the real ones where they lie."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets import layouts
from tests.datasets.layouts import write_labels
from unstride.datasets.by_name import (
    DEPTH_DATASETS,
    REGION_DATASETS,
    SEGMENTATION_DATASETS,
    create_dataset,
)
from unstride.datasets.classification import ClassificationDataset
from unstride.datasets.nyuv2_tasks import NYUv2MultiTask
from unstride.formats.labels import UNLABELLED

MADE_UP = {
    "camvid": (layouts.camvid, "camvid", "train", ["a", "b"]),
    "camvid tutorial": (layouts.camvid_tutorial, "camvid", "train", ["a", "b"]),
    "cityscapes": (layouts.cityscapes, "cityscapes", "train", ["aachen_000002", "ulm_000001"]),
    "ade20k": (layouts.ade20k, "ade20k", "val", ["a"]),
    "coco_stuff": (layouts.coco_stuff, "coco_stuff", "val", ["000000000139"]),
    "coco_stuff27": (layouts.coco_stuff, "coco_stuff27", "val", ["000000000139"]),
    "voc": (layouts.voc, "voc", "val", ["2007_000032"]),
    "posed_rgbd": (layouts.posed_rgbd, "posed_rgbd", "val", ["kitchen/000840"]),
    "nyuv2": (layouts.nyuv2, "nyuv2", "test", ["kitchen/00045"]),
    "kitti_depth": (layouts.kitti_depth, "kitti_depth", "val", [
        f"2011_09_26_drive_0002_sync/{camera}/{n:010d}"
        for camera in ("image_02", "image_03") for n in (5, 6)
    ]),
    "bsds": (layouts.bsds, "bsds", "val", ["8023"]),
    "coco_panoptic": (layouts.coco_panoptic, "coco_panoptic", "val", ["000000000139"]),
}  # fmt: skip
VALUES = {
    "camvid": [*range(11), 255],
    "camvid tutorial": [*range(11), 255],
    "ade20k": [255, 0, 149],
    "coco_stuff": [0, 11, 80, 170, 255],
    "coco_stuff27": [9, 8, 17, 24, 255],
    "voc": [0, 20, 255],
}
NUM_CLASSES = {
    "camvid": 11,
    "cityscapes": 19,
    "ade20k": 150,
    "coco_stuff": 171,
    "coco_stuff27": 27,
    "voc": 21,
}


def create_made_up(kind, root):
    make, name, split, _ = MADE_UP[kind]
    make(root)
    return create_dataset(name, root, split)


@pytest.mark.parametrize("kind", MADE_UP)
def test_items_are_found_in_order_with_their_shapes(kind, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    assert dataset.names == MADE_UP[kind][3]
    assert len(dataset) == len(dataset.names)
    for image, labels in dataset:
        assert image.shape == (3, layouts.HEIGHT, layouts.WIDTH)
        assert image.dtype == torch.float32
        assert labels.shape[-2:] == image.shape[1:]


@pytest.mark.parametrize("kind", VALUES)
def test_numbers_become_classes(kind, tmp_path):
    _, labels = create_made_up(kind, tmp_path)[0]
    assert labels.dtype == torch.int64
    assert labels.flatten()[: len(VALUES[kind])].tolist() == VALUES[kind]


@pytest.mark.parametrize("name", NUM_CLASSES)
def test_the_table_reaches_every_class_and_no_other(name):
    cls = SEGMENTATION_DATASETS[name]
    assert len(cls.classes) == len(set(cls.classes)) == NUM_CLASSES[name]
    reached = set(cls.label_table.tolist())
    assert reached == {*range(NUM_CLASSES[name]), UNLABELLED, -1}


def test_names_of_well_known_classes():
    names = {name: cls.classes for name, cls in SEGMENTATION_DATASETS.items()}
    assert names["camvid"][3] == "road"
    assert (names["cityscapes"][13], names["cityscapes"][18]) == ("car", "bicycle")
    assert (names["ade20k"][12], names["ade20k"][149]) == ("person", "flag")
    assert (names["voc"][15], names["voc"][20]) == ("person", "tvmonitor")
    # Ids of the authors' list, counted from 0 as in the files.
    coco = SEGMENTATION_DATASETS["coco_stuff"]
    for number, name in ((0, "person"), (17, "dog"), (91, "banner"), (168, "tree"), (181, "wood")):
        assert coco.classes[coco.label_table[number]] == name
    coarse = SEGMENTATION_DATASETS["coco_stuff27"]
    for number, name in ((0, "person"), (17, "animal"), (148, "ground"), (156, "sky")):
        assert coarse.classes[coarse.label_table[number]] == name


def test_both_kinds_of_cityscapes_files_agree(tmp_path):
    dataset = create_made_up("cityscapes", tmp_path)
    by_ids = dataset[0][1].flatten()[:34]
    assert by_ids[by_ids != UNLABELLED].tolist() == list(range(19))
    assert by_ids[[7, 8, 9, 26, 33]].tolist() == [0, 1, 255, 13, 18]
    assert dataset[1][1].flatten()[:20].tolist() == [*range(19), 255]


@pytest.mark.parametrize(
    ("kind", "metres"),
    [
        ("posed_rgbd", [0, 1.5, 65.535]),
        ("nyuv2", [0, 2.5]),
        ("kitti_depth", [0, 2.5, 65535 / 256]),
    ],
)
def test_depth_is_in_metres(kind, metres, tmp_path):
    _, depth = create_made_up(kind, tmp_path)[0]
    assert depth.dtype == torch.float32
    torch.testing.assert_close(depth.flatten()[: len(metres)], torch.tensor(metres))


SPLITS = {
    "train": ["kitchen/000000", "kitchen/000800", "shelf/000003"],
    "val": ["kitchen/000840"],
    "all": [f"kitchen/{n:06d}" for n in (0, 800, 801, 839, 840)] + ["shelf/000003"],
}


@pytest.mark.parametrize("split", SPLITS)
def test_frames_between_train_and_val_are_left_out(split, tmp_path):
    layouts.posed_rgbd(tmp_path)
    dataset = create_dataset("posed_rgbd", tmp_path, split)
    assert dataset.names == SPLITS[split]
    assert dataset.poses[:, 0, 3].tolist() == [int(name[-6:]) for name in dataset.names]
    assert dataset.poses[0, 2].tolist() == [0, 0, 1, 0.5]
    assert dataset.poses[0, 3].tolist() == [0, 0, 0, 1]
    assert dataset.intrinsics[0].tolist() == [[9, 0, 4.5], [0, 9, 3.5], [0, 0, 1]]


def test_one_scene_is_a_root_too(tmp_path):
    layouts.posed_rgbd(tmp_path)
    assert create_dataset("posed_rgbd", tmp_path / "shelf", "all").names == ["000003"]


def test_regions_count_from_zero_and_annotators_are_in_order(tmp_path):
    _, segments = create_made_up("bsds", tmp_path)[0]
    assert segments.shape == (11, layouts.HEIGHT, layouts.WIDTH)
    assert segments[:, 0, 0].eq(0).all()
    assert segments[:, 0, 1].tolist() == list(range(11))


def test_panoptic_colours_are_segments_and_black_is_none(tmp_path):
    _, segments = create_made_up("coco_panoptic", tmp_path)[0]
    assert segments.shape == (1, layouts.HEIGHT, layouts.WIDTH)
    assert segments[0, 0, 0] == -1
    assert sorted(segments.unique().tolist()) == [-1, 0, 1]
    assert segments[0, 1, 0] != segments[0, 1, -1]


def test_a_panoptic_png_is_rgb(tmp_path):
    dataset = create_made_up("coco_panoptic", tmp_path)
    write_labels(dataset.label_paths[0][0], [1])
    with pytest.raises(ValueError, match="expected an RGB image") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][0])


def assert_message(error, *words):
    """The error message is one line that has all these words."""
    assert "\n" not in str(error.value)
    for word in words:
        assert str(word) in str(error.value)


def test_unknown_name_split_and_root(tmp_path):
    with pytest.raises(ValueError, match="camvib") as error:
        create_dataset("camvib", tmp_path, "train")
    assert_message(error, *SEGMENTATION_DATASETS, *DEPTH_DATASETS, *REGION_DATASETS)
    with pytest.raises(ValueError, match="'training'") as error:
        create_dataset("ade20k", tmp_path, "training")
    assert_message(error, "train, val")
    for name in (*SEGMENTATION_DATASETS, *DEPTH_DATASETS, *REGION_DATASETS):
        with pytest.raises(FileNotFoundError) as error:
            create_dataset(name, tmp_path / "nowhere", "train")
        assert_message(error, tmp_path / "nowhere", "expected layout")
        with pytest.raises(FileNotFoundError) as error:
            create_dataset(name, tmp_path, "train")
        assert_message(error, tmp_path, "expected layout")


@pytest.mark.parametrize("kind", sorted(MADE_UP.keys() - {"kitti_depth"}))  # few frames have one
def test_a_missing_label_is_named_at_once(kind, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    for path in dataset.label_paths[0]:
        path.unlink()
    if kind == "cityscapes":
        dataset.label_paths[1][0].unlink()
        (tmp_path / "gtFine/train/ulm/ulm_000001_gtFine_labelIds.png").unlink()
    with pytest.raises(FileNotFoundError) as error:
        create_dataset(MADE_UP[kind][1], tmp_path, MADE_UP[kind][2])
    assert_message(error, dataset.label_paths[0][0], "missing")


@pytest.mark.parametrize("kind", MADE_UP)
@pytest.mark.parametrize("which", ["image", "label"])
def test_a_broken_file_is_named(kind, which, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    path = dataset.image_paths[0] if which == "image" else dataset.label_paths[0][0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"damaged|not an image") as error:
        dataset[0]
    assert_message(error, path)


@pytest.mark.parametrize("kind", MADE_UP)
def test_a_label_of_another_size_is_refused_with_both_sizes(kind, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    layouts.write_photo(dataset.image_paths[0], (9, 7))
    with pytest.raises(ValueError, match="9 x 7") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][0], "8 x 6")


@pytest.mark.parametrize("kind", sorted(MADE_UP.keys() - {"coco_panoptic"}))  # its labels are
def test_a_colour_image_is_no_label(kind, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    layouts.write_photo(dataset.label_paths[0][0])
    with pytest.raises(ValueError, match="got mode RGB") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][0])


@pytest.mark.parametrize(("kind", "number"), [
    ("camvid", 12), ("cityscapes", 34), ("ade20k", 151), ("coco_stuff", 11), ("coco_stuff", 182),
    ("coco_stuff27", 25), ("voc", 21), ("voc", 256),
])  # fmt: skip
def test_a_number_that_is_no_class_is_refused(kind, number, tmp_path):
    dataset = create_made_up(kind, tmp_path)
    layouts.write_labels(
        dataset.label_paths[0][0], [number], np.uint16 if number > 255 else np.uint8
    )
    with pytest.raises(ValueError, match=f": label {number} is not a class") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][0])


def test_eight_bits_are_no_depth(tmp_path):
    dataset = create_made_up("nyuv2", tmp_path)
    layouts.write_labels(dataset.label_paths[0][0], [0, 25])
    with pytest.raises(ValueError, match="16 bits"):
        dataset[0]


def test_region_zero_is_refused(tmp_path):
    dataset = create_made_up("bsds", tmp_path)
    layouts.write_labels(dataset.label_paths[0][3], [0, 1])
    with pytest.raises(ValueError, match="region numbers must be at least 1, got 0") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][3])


BROKEN_SCENES = {
    "no pose": ("poses.txt", "000801 1 0 0 0 0 1 0 0 0 0 1 0", "frame 000000"),
    "short pose": ("poses.txt", "000000 1 0 0", "3 numbers"),
    "word for a number": ("intrinsics.txt", "9 0 4\n0 nine 3\n0 0 1", "nine"),
    "four rows": ("intrinsics.txt", "9 0 4\n0 9 3\n0 0 1\n0 0 0", "3 x 3"),
    "no focal length": ("intrinsics.txt", "9 0 4\n0 0 3\n0 0 1", r"focal lengths .* \[9\.0, 0\.0"),
    "not finite": ("intrinsics.txt", "9 0 nan\n0 9 3\n0 0 1", "all numbers finite"),
    "no text": ("poses.txt", "\udcff\udcfe", "not a text file in UTF-8"),
    "no text either": ("intrinsics.txt", "9 0 \udcff", "not a text file in UTF-8"),
}


@pytest.mark.parametrize("kind", BROKEN_SCENES)
def test_broken_cameras_are_named(kind, tmp_path):
    file, text, message = BROKEN_SCENES[kind]
    layouts.posed_rgbd(tmp_path)
    (tmp_path / "kitchen" / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=message) as error:
        create_dataset("posed_rgbd", tmp_path, "train")
    assert_message(error, tmp_path / "kitchen" / file)


LISTS = {
    "voc": (layouts.voc, "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"),
    "kitti_depth": (layouts.kitti_depth, "eigen_train_files.txt"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_no_text_is_named(name, tmp_path):
    write, file = LISTS[name]
    write(tmp_path)
    (tmp_path / file).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file in UTF-8") as error:
        create_dataset(name, tmp_path, "train")
    assert_message(error, tmp_path / file)


def test_classes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"a.jpg 3\n\xff")
    with pytest.raises(ValueError, match=r"labels\.txt: not a text file in UTF-8"):
        ClassificationDataset(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x10\x00{'shape': (1,)}", b"\x80\x04K\x01."]
)
def test_a_damaged_array_is_named(content, tmp_path):
    for kind, shape in (("image", (6, 8, 3)), ("label", (6, 8)), ("depth", (6, 8))):
        (tmp_path / "train" / kind).mkdir(parents=True)
        np.save(tmp_path / "train" / kind / "0.npy", np.zeros(shape, np.float32))
    dataset = NYUv2MultiTask(tmp_path, "train")
    dataset.label_paths[0][1].write_bytes(content)
    with pytest.raises(ValueError, match="not an array of numbers") as error:
        dataset[0]
    assert_message(error, dataset.label_paths[0][1])


def test_no_cameras(tmp_path):
    layouts.posed_rgbd(tmp_path)
    (tmp_path / "kitchen" / "poses.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"poses\.txt"):
        create_dataset("posed_rgbd", tmp_path, "train")


def test_a_frame_without_a_number(tmp_path):
    layouts.posed_rgbd(tmp_path)
    layouts.write_photo(tmp_path / "kitchen/images/cover.jpg")
    with pytest.raises(ValueError, match=r"cover\.jpg"):
        create_dataset("posed_rgbd", tmp_path, "train")


@pytest.mark.parametrize(("split", "number"), [("train", 367), ("val", 101), ("test", 227)])
def test_real_camvid(split, number):
    dataset = create_dataset("camvid", layouts.shared_data("camvid"), split)
    assert len(dataset) == number
    image, labels = dataset[0]
    assert image.shape == (3, 360, 480)
    road = image[:, labels == 3].mean()
    assert road < image[:, labels == 0].mean(), "the sky is brighter than the road"


def test_real_camvid_has_the_shares_of_its_readme():
    dataset = create_dataset("camvid", layouts.shared_data("camvid"), "train")
    counts = torch.zeros(256)
    for index in range(0, len(dataset), 8):
        counts += dataset[index][1].flatten().bincount(minlength=256)
    shares = counts / counts.sum()
    stated = torch.tensor([0.169, 0.233, 0.010, 0.317, 0.045, 0.097, 0.012, 0.011, 0.059, 0.006])
    assert (shares[:10] - stated).abs().max() < 0.05  # every eighth frame of 367
    assert abs(shares[255] - 0.040) < 0.02


def test_real_kitchen_and_shelf():
    root = layouts.shared_data("depth")
    train, val, all_frames = (
        create_dataset("posed_rgbd", root, s) for s in ("train", "val", "all")
    )
    assert (len(train), len(val), len(all_frames)) == (317, 34, 364)
    assert not set(train.names) & set(val.names)
    assert {name.split("/")[0] for name in train.names} == {"redkitchen", "shelf"}
    _, depth = val[0]
    known = depth[depth > 0]
    assert 0.5 < known.min() < known.max() < 5
    rotations = all_frames.poses[:, :3, :3]
    identity = (rotations @ rotations.mT - torch.eye(3)).abs().max()
    assert identity < 1e-3, "a pose is a rotation and a shift"


@pytest.mark.parametrize(("split", "number"), [("train", 200), ("val", 100), ("test", 194)])
def test_real_bsds(split, number):
    dataset = create_dataset("bsds", layouts.shared_data("bsds"), split)
    assert len(dataset) == number
    assert sum(map(len, dataset.label_paths)) >= 4 * number
    _, segments = dataset[0]
    for regions in segments:
        assert regions.unique().tolist() == list(range(int(regions.max()) + 1))


def test_palette_images_give_their_indices_not_their_colours(tmp_path):
    dataset = create_made_up("voc", tmp_path)
    with Image.open(dataset.label_paths[0][0]) as image:
        assert image.mode == "P"
    assert dataset[0][1].unique().tolist() == [0, 20, 255]
