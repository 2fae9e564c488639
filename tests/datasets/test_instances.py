"""Objects of Penn-Fudan and COCO, in made-up folders and where the real ones lie."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from tests.datasets.layouts import shared_data, write_labels, write_photo
from unstride.datasets.coco_detection import COCODetection
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.pennfudan import PennFudan
from unstride.formats.coco_panoptic import read_segment_ids, write_panoptic
from unstride.formats.segments import Category, Segment
from unstride.transforms.detection_target import (
    boxes_from_masks,
    detection_target,
    without_crowds,
)
from unstride.transforms.panoptic_targets import visible_segments

HEIGHT, WIDTH = 6, 8


def write_pennfudan(root, images="images", masks="masks", suffix=".png"):
    for i in range(12):
        write_photo(root / images / f"P{i:02d}.png")
        write_labels(root / masks / f"P{i:02d}{suffix}", [0, 1, 1, 0, 3])


@pytest.mark.parametrize(
    "layout", [("images", "masks", ".png"), ("PNGImages", "PedMasks", "_mask.png")]
)
def test_every_fifth_pedestrian_photograph_is_a_test(layout, tmp_path):
    write_pennfudan(tmp_path, *layout)
    names = {split: PennFudan(tmp_path, split).names for split in PennFudan.splits}
    assert names["test"] == ["P00", "P05", "P10"]
    assert names["val"] == ["P01", "P06", "P11"]
    assert sorted(name for split in names.values() for name in split) == [
        f"P{i:02d}" for i in range(12)
    ]


def test_pedestrians_are_numbered_masks_and_tight_boxes(tmp_path):
    write_pennfudan(tmp_path)
    image, target = PennFudan(tmp_path, "test")[1]
    assert type(image) is tv_tensors.Image
    assert (image.shape, image.dtype, float(image.max())) == ((3, 6, 8), torch.float32, 1)
    assert target["masks"].shape == (2, 6, 8)
    assert target["masks"].sum((1, 2)).tolist() == [2, 44]
    assert target["boxes"].tolist() == [[1, 0, 3, 1], [0, 0, 8, 6]]
    assert target["labels"].tolist() == [1, 1]
    assert target["iscrowd"].tolist() == [False, False]
    assert target["image_id"] == 1


def test_boxes_are_tight_and_empty_masks_have_none():
    masks = torch.zeros(3, 5, 7, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    masks[1, 4, 6] = True
    assert boxes_from_masks(masks).tolist() == [[2, 1, 6, 3], [6, 4, 7, 5], [0, 0, 0, 0]]
    target = detection_target(masks, [3, 4, 5], is_crowd=[False, True, False], image_id=9)
    assert target["labels"].tolist() == [3, 4]
    single = without_crowds(target)
    assert single["labels"].tolist() == [3]
    assert isinstance(single["boxes"], tv_tensors.BoundingBoxes)
    assert isinstance(single["masks"], tv_tensors.Mask)
    assert single["boxes"].tolist() == [[2, 1, 6, 3]]
    assert single["image_id"] == 9


def annotation(**changes):
    whole = {
        "id": 5, "image_id": 139, "category_id": 18, "iscrowd": 0, "bbox": [1, 2, 3, 2.5],
        "segmentation": [[1, 2, 4, 2, 4, 4, 1, 4]],
    }  # fmt: skip
    return whole | changes


RUNS = {"size": [6, 8], "counts": [0, 6, 42]}


def write_coco(root, annotations=None, file="annotations/instances_val2017.json", **changes):
    for name in ("000000000139", "000000000285"):
        write_photo(root / "val2017" / f"{name}.jpg")
    crowd = annotation(id=6, category_id=1, iscrowd=1, bbox=[0, 0, 1, 6], segmentation=RUNS)
    document = {
        "images": [
            {"id": 285, "file_name": "000000000285.jpg", "height": 6, "width": 8},
            {"id": 139, "file_name": "val2017/000000000139.jpg", "height": 6, "width": 8},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
        "annotations": [annotation(), crowd] if annotations is None else annotations,
    } | changes
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_objects_of_coco_have_the_files_boxes_masks_and_classes(tmp_path):
    write_coco(tmp_path)
    dataset = COCODetection(tmp_path, "val")
    assert dataset.names == ["000000000139", "000000000285"]
    assert (dataset.classes, dataset.category_ids) == (("person", "dog"), (1, 18))
    _, target = dataset[0]
    assert target["boxes"].tolist() == [[1, 2, 4, 4.5], [0, 0, 1, 6]]
    assert target["masks"].sum((1, 2)).tolist() == [6, 6]
    assert target["masks"][0, 2:4, 1:4].all()
    assert target["masks"][1, :, 0].all()
    assert (target["labels"].tolist(), target["iscrowd"].tolist()) == ([2, 1], [False, True])
    assert target["image_id"] == 139


def test_a_photograph_without_objects_is_an_item(tmp_path):
    write_coco(tmp_path)
    _, target = COCODetection(tmp_path, "val")[1]
    assert (target["image_id"], target["boxes"].shape) == (285, (0, 4))
    assert target["masks"].shape == (0, 6, 8)
    assert target["labels"].dtype == torch.int64


def test_a_crowd_alone_is_no_object(tmp_path):
    crowd = annotation(id=6, image_id=285, iscrowd=1, segmentation=RUNS)
    write_coco(tmp_path, [annotation(), crowd])
    assert COCODetection(tmp_path, "val").indices_with_objects() == [0]
    write_coco(tmp_path, [annotation(image_id=285), crowd])
    assert COCODetection(tmp_path, "val").indices_with_objects() == [1]


def test_boxes_end_at_the_border_and_have_an_area(tmp_path):
    write_coco(tmp_path, [annotation(bbox=[5, 3, 100, 100]), annotation(bbox=[2, 2, 0, 3])])
    _, target = COCODetection(tmp_path, "val")[0]
    assert target["boxes"].tolist() == [[5, 3, 8, 6]]
    assert len(target["masks"]) == len(target["labels"]) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"segmentation": {"size": [6, 9], "counts": [54]}},
        {"segmentation": "x"},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, "4"]},
        {"bbox": None},
        {"bbox": [1, 2, 3, 10**400]},
        {"bbox": [1, 2, float("nan"), 3]},
    ],
)
def test_a_damaged_object_is_named_with_its_file(broken, tmp_path):
    write_coco(tmp_path, [annotation(**broken)])
    dataset = COCODetection(tmp_path, "val")
    with pytest.raises(ValueError, match=r"instances_val2017.json: "):
        dataset[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"annotations": [annotation(category_id=7)]},
            ValueError,
            "json: .* unknown category_id 7",
        ),
        ({"annotations": [annotation(image_id=7)]}, ValueError, "json: .* unknown image_id 7"),
        ({"annotations": [{"id": 1}]}, ValueError, "json: an object has no 'image_id'"),
        ({"images": [{"id": 1}]}, ValueError, "json: "),
        (
            {"images": [{"id": 139, "file_name": "x.jpg"}]},
            FileNotFoundError,
            "x.jpg: no such image",
        ),
        ({"images": []}, ValueError, "image_id 139"),
        ({"images": [], "annotations": []}, FileNotFoundError, "no image of split"),
        ({"categories": None}, ValueError, "json: 'categories' must be list, got None"),
    ],
)
def test_a_broken_list_is_named(changes, error, message, tmp_path):
    write_coco(tmp_path, **changes)
    with pytest.raises(error, match=message):
        COCODetection(tmp_path, "val")


def test_a_missing_list_is_named(tmp_path):
    write_coco(tmp_path, file="elsewhere.json")
    with pytest.raises(FileNotFoundError, match=r"annotations/instances_val2017.json: no such"):
        COCODetection(tmp_path, "val")


def write_made_up_panoptic(root):
    write_photo(root / "val2017/images/000000000139.jpg")
    ids = torch.full((6, 8), 70_001)
    ids[:, 4:], ids[0, 0] = 9_000_001, 0
    segments = [Segment(70_001, 1, True), Segment(9_000_001, 200)]
    categories = [Category(1, "person", True), Category(200, "rug", False)]
    write_panoptic(root / "val2017/panoptic", {"000000000139": (ids, segments)}, categories)
    return ids, segments


def test_panoptic_items_have_a_map_and_its_segments(tmp_path):
    ids, segments = write_made_up_panoptic(tmp_path)
    dataset = COCOPanoptic(tmp_path, "val")
    _, target = dataset[0]
    assert dataset.classes == ("person", "rug")
    assert (target["image_id"], target["segments"]) == (139, segments)
    assert torch.equal(torch.as_tensor(target["ids"][0]), ids)


def test_map_and_photograph_move_together_and_ids_stay_ids(tmp_path):
    ids, segments = write_made_up_panoptic(tmp_path)
    mirrored = v2.RandomHorizontalFlip(1)
    _, target = COCOPanoptic(tmp_path, "val", mirrored)[0]
    assert torch.equal(torch.as_tensor(target["ids"][0]), ids.flip(1))
    larger = v2.Compose([v2.Resize((13, 17)), v2.RandomAffine((20, 20))])
    _, target = COCOPanoptic(tmp_path, "val", larger)[0]
    assert target["ids"].shape == (1, 13, 17)
    assert set(target["ids"].unique().tolist()) == {0, 70_001, 9_000_001}
    cut = v2.Lambda(lambda t: t[..., :3], tv_tensors.Image, tv_tensors.Mask)
    _, target = COCOPanoptic(tmp_path, "val", cut)[0]
    assert visible_segments(target) == segments[:1]


def test_broken_panoptic_folders_are_named(tmp_path):
    write_made_up_panoptic(tmp_path)
    write_labels(tmp_path / "val2017/panoptic/000000000139.png", [1])
    with pytest.raises(ValueError, match=r"000000000139.png: expected an RGB image"):
        COCOPanoptic(tmp_path, "val")[0]
    Image.fromarray(np.full((6, 8, 3), 3, np.uint8)).save(
        tmp_path / "val2017/panoptic/000000000139.png"
    )
    with pytest.raises(ValueError, match=r"000000000139.png: segment 197379 has pixels"):
        COCOPanoptic(tmp_path, "val")[0]
    write_photo(tmp_path / "val2017/images/000000000140.jpg")
    with pytest.raises(ValueError, match=r"panoptic.json: no annotation for 000000000140.png"):
        COCOPanoptic(tmp_path, "val")
    (tmp_path / "val2017/panoptic.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"panoptic.json: no such file"):
        COCOPanoptic(tmp_path, "val")


def test_boxes_and_masks_move_together(tmp_path):
    write_coco(tmp_path)
    mirrored = v2.RandomHorizontalFlip(1)
    image, target = COCODetection(tmp_path, "val", mirrored)[0]
    assert target["boxes"].tolist() == [[4, 2, 7, 4.5], [7, 0, 8, 6]]
    assert target["masks"][1, :, 7].all()
    assert type(image) is tv_tensors.Image


def test_the_real_coco():
    dataset = COCODetection(shared_data("coco"), "train")
    assert (len(dataset), len(dataset.classes), dataset.classes[0]) == (100, 80, "person")
    crowds = [i for i, n in enumerate(dataset.image_ids)
              if any(e["iscrowd"] for e in dataset.annotations[n])]  # fmt: skip
    for index in {*range(6), *crowds[:2]}:
        image, target = dataset[index]
        assert target["masks"].shape[1:] == image.shape[1:]
        around = boxes_from_masks(torch.as_tensor(target["masks"]).bool())
        assert len(target["labels"]) == len(dataset.annotations[dataset.image_ids[index]])
        assert (around - target["boxes"]).abs().mean() < 1  # polygons end between pixels


def test_the_real_panoptic_val():
    dataset = COCOPanoptic(shared_data("coco"), "val")
    assert (len(dataset), len(dataset.classes)) == (94, 133)
    _, target = dataset[0]
    assert visible_segments(target) == target["segments"]
    assert torch.equal(
        torch.as_tensor(target["ids"][0]), read_segment_ids(dataset.label_paths[0][0])
    )


def test_the_real_pennfudan():
    root = shared_data("pennfudan")
    sizes = [len(PennFudan(root, split)) for split in ("train", "val", "test")]
    assert sizes == [99, 33, 34]
    _, target = PennFudan(root, "test")[0]
    assert len(target["labels"]) == len(target["masks"]) > 0
