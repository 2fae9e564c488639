"""A user's own boxes: Pascal VOC's XML, YOLO's text files, and COCO's JSON at any path."""

import json
from pathlib import Path

import pytest
import torch

from tests.recipes import tiny_coco, tiny_own
from tests.recipes.tiny_coco import boxes_of
from unstride.datasets.coco_detection import COCODetection
from unstride.datasets.coco_panoptic import COCOPanoptic
from unstride.datasets.own_boxes import VOCBoxes, YOLOBoxes
from unstride.transforms.augment import DetectionAugmentation
from unstride.transforms.detection_target import refit_boxes, without_crowds

DATASETS = {"voc": (VOCBoxes, tiny_own.write_voc), "yolo": (YOLOBoxes, tiny_own.write_yolo)}


def expected_boxes(name):
    return [[left, top, right, bottom] for top, left, bottom, right in boxes_of(int(name))]


@pytest.mark.parametrize("kind", DATASETS)
def test_boxes_are_in_pixels_with_their_classes(kind, tmp_path):
    cls, write = DATASETS[kind]
    dataset = cls(write(tmp_path), "train")
    assert len(dataset) == 5
    assert sorted(dataset.classes) == ["dog", "person"]
    assert dataset.category_ids == (1, 2)
    assert dataset.indices_with_objects() == list(range(5))
    for name, (image, target) in zip(dataset.names, dataset, strict=True):
        assert image.shape == (3, 64, 80)
        torch.testing.assert_close(
            torch.as_tensor(target["boxes"]), torch.tensor(expected_boxes(name)).float()
        )
        labels = [dataset.classes[label - 1] for label in target["labels"]]
        assert labels == ["person", "dog"]
        assert "masks" not in target


@pytest.mark.parametrize("kind", DATASETS)
def test_boxes_without_masks_are_cut_at_the_edges_of_a_crop(kind, tmp_path):
    cls, write = DATASETS[kind]
    image, target = cls(write(tmp_path), "val")[0]
    _, moved = DetectionAugmentation((3.0, 3.0), flip=False)(image, target)
    refitted = without_crowds(refit_boxes(moved))
    boxes = torch.as_tensor(refitted["boxes"])
    assert ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= torch.tensor([80, 64]))).all()
    assert (boxes >= 0).all()
    assert len(boxes) == len(refitted["labels"]) == len(refitted["iscrowd"])


def voc_text(objects="", size="", head=""):
    return f"{head}<annotation>{size}{objects}</annotation>"


def voc_object(name="dog", ends=(2, 3, 5, 9), more=""):
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{n}>{v}</{n}>" for n, v in zip(names, ends, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "not valid XML"),
        ("", "not valid XML"),
        (voc_text(head=BOMB), "document types are not read"),
        (voc_text(head=BOMB).encode("utf-16"), "document types are not read"),
        ("<html/>", "expected an element 'annotation', got 'html'"),
        (voc_text(voc_object(name="")), "an object has no name"),
        (
            voc_text(voc_object(ends=(2, 3, 1, 9))),
            "must have its ends in order, got columns 2 to 1",
        ),
        (voc_text(voc_object(ends=(2, 3, "x", 9))), "expected a number of pixels, got 'x'"),
        (voc_text(voc_object(ends=(2, 3, "inf", 9))), "expected a number of pixels, got 'inf'"),
        (voc_text("<object><name>dog</name></object>"), "expected a number of pixels, got None"),
        (voc_text(voc_object("cow")), "'cow' is not in the list of classes"),
        (
            voc_text("", "<size><width>9</width><height>7</height></size>"),
            "for an image of 9 x 7 pixels, but its image has 80 x 64",
        ),
    ],
)
def test_a_damaged_xml_file_is_refused_in_a_sentence_with_its_path(text, message, tmp_path):
    tiny_own.write_voc(tmp_path)
    (tmp_path / "classes.txt").write_text("person\ndog\n", encoding="utf-8")
    dataset = VOCBoxes(tmp_path, "val")
    path = dataset.label_paths[0][0]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as error:
        dataset[0]
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_difficult_objects_are_crowds_and_sizes_of_zero_are_none(tmp_path):
    tiny_own.write_voc(tmp_path)
    dataset = VOCBoxes(tmp_path, "val")
    size = "<size><width>0</width><height>0</height></size>"
    difficult = voc_object(more="<difficult>1</difficult>")
    path = dataset.label_paths[0][0]
    path.write_text(voc_text(difficult + voc_object("person"), size), encoding="utf-8")
    _, target = dataset[0]
    assert target["iscrowd"].tolist() == [True, False]
    assert target["boxes"].tolist() == [[1, 2, 5, 9]] * 2
    assert without_crowds(target)["labels"].tolist() == [dataset.classes.index("person") + 1]
    path.write_text(voc_text(difficult), encoding="utf-8")
    assert dataset.indices_with_objects() == []


def test_lists_of_voc_are_splits(tmp_path):
    tiny_own.write_voc(tmp_path)
    lists = tmp_path / "ImageSets/Main"
    lists.mkdir(parents=True)
    for split, text in (("train", "0\n1\n"), ("val", "4\n")):
        (lists / f"{split}.txt").write_text(text, encoding="utf-8")
    assert VOCBoxes(tmp_path, "train").names == ["0", "1"]
    assert VOCBoxes(tmp_path, "val").names == ["4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2\n", "line 1: expected a class and 4 numbers of a box, got 4 words"),
        ("0 .5 .5 .2 .2\n0 0 0 1 0 1 1 0 1\n", "line 2: .* got 9 words; polygons are not read"),
        ("0 40 30 20 10\n", "line 1: a box must be in shares of the image, 0 to 1, got"),
        ("0 0.5 0.5 -0.2 0.2\n", "a box must be in shares"),
        ("0 0.5 nan 0.2 0.2\n", "a box must be in shares"),
        ("dog 0.5 0.5 0.2 0.2\n", "line 1: expected numbers, got 'dog"),
        ("7 0.5 0.5 0.2 0.2\n", "7 is not in the list of classes"),
    ],
)
def test_a_damaged_line_of_yolo_is_named(text, message, tmp_path):
    dataset = YOLOBoxes(tiny_own.write_yolo(tmp_path), "val")
    path = dataset.label_paths[0][0]
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        dataset[0]
    assert str(error.value).startswith(f"{path}: ")


def test_numbers_of_yolo_may_have_gaps_and_images_may_have_no_file(tmp_path):
    tiny_own.write_yolo(tmp_path)
    dataset = YOLOBoxes(tmp_path, "val")
    dataset.label_paths[0][0].write_text("3 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    (tmp_path / "data.yaml").write_text("names: {1: dog, 3: cow}\n", encoding="utf-8")
    dataset = YOLOBoxes(tmp_path, "val")
    _, target = dataset[0]
    assert (target["labels"].tolist(), target["boxes"].tolist()) == ([2], [[20, 16, 60, 48]])
    dataset.label_paths[0][0].unlink()
    empty = YOLOBoxes(tmp_path, "val")
    assert len(empty) == 1
    assert empty[0][1]["boxes"].shape == (0, 4)
    assert empty.indices_with_objects() == []


def own_coco(root, split="train", **options):
    options = {"images": Path("photos"), "annotations": Path("boxes.json")} | options
    return COCODetection(root, split, **options)


def test_coco_files_at_any_path_are_divided_at_random(tmp_path):
    tiny_own.write_coco_boxes(tmp_path)
    train, val = own_coco(tmp_path), own_coco(tmp_path, "val")
    assert (train.classes, train.category_ids) == (("person", "dog"), (7, 90))
    assert sorted(train.names + val.names) == [str(i) for i in range(6)]
    assert len(val) == 1
    assert own_coco(tmp_path, "val", val_share=0.5).names != val.names
    _, target = val[0]
    assert target["boxes"].tolist() == expected_boxes(val.names[0])
    assert target["labels"].tolist() == [1, 2]
    assert "masks" not in target
    assert "annotation 0" in train.missing_mask


def test_coco_files_may_have_a_val_of_their_own(tmp_path):
    tiny_own.write_coco_boxes(tmp_path)
    tiny_own.write_coco_boxes(tmp_path / "held out", 2)
    held_out = {"val_annotations": Path("held out/boxes.json")}
    names = {split: own_coco(tmp_path, split, **held_out).names for split in ("train", "val")}
    assert names == {"train": [str(i) for i in range(6)], "val": ["0", "1"]}
    val = own_coco(tmp_path, "val", val_images=Path("held out/photos"), **held_out)
    assert val.image_paths[0] == tmp_path / "held out/photos/0.jpg"
    absolute = own_coco(Path(), images=tmp_path / "photos", annotations=tmp_path / "boxes.json")
    assert len(absolute) == 5


def test_images_beside_the_json_and_in_folders_that_it_names(tmp_path):
    tiny_own.write_coco_boxes(tmp_path)
    text = (tmp_path / "boxes.json").read_text(encoding="utf-8")
    changed = text.replace('"file_name": "', '"file_name": "photos/')
    (tmp_path / "boxes.json").write_text(changed, encoding="utf-8")
    assert own_coco(tmp_path, images=None).image_paths[0].parent == tmp_path / "photos"
    outside = text.replace('"file_name": "', '"file_name": "../photos/../../')
    (tmp_path / "boxes.json").write_text(outside, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"jpg: no such image, but .*boxes.json lists it"):
        own_coco(tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"annotations": None}, ValueError, "annotations must be set, to the JSON file that"),
        ({"val_images": Path("photos")}, ValueError, "val_annotations must be set, to the JSON"),
        ({"images": Path("x")}, FileNotFoundError, "x: no such folder of images"),
        ({"annotations": Path("x.json")}, FileNotFoundError, "x.json: no such file"),
    ],
)
def test_paths_that_do_not_fit_are_refused(options, error, message, tmp_path):
    tiny_own.write_coco_boxes(tmp_path)
    with pytest.raises(error, match=message):
        own_coco(tmp_path, **options)


def test_an_image_of_another_size_than_its_file_says_is_refused(tmp_path):
    tiny_own.write_coco_boxes(tmp_path)
    text = (tmp_path / "boxes.json").read_text(encoding="utf-8")
    (tmp_path / "boxes.json").write_text(
        text.replace('"width": 80', '"width": 81'), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"boxes.json: .* 81 x 64 pixels, but it has 80 x 64"):
        own_coco(tmp_path, "val")[0]


def test_one_object_without_a_mask_leaves_boxes_for_all(tmp_path):
    tiny_coco.write_coco(tmp_path)
    file = tmp_path / "train2017/instances.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    assert COCODetection(tmp_path, "train").missing_mask is None
    document["annotations"][3]["segmentation"] = []
    file.write_text(json.dumps(document), encoding="utf-8")
    dataset = COCODetection(tmp_path, "train")
    number = document["annotations"][3]["id"]
    assert dataset.missing_mask == f"{file}: annotation {number}"
    assert all("masks" not in target for _, target in dataset)


def test_a_panoptic_json_at_any_path_is_divided_at_random(tmp_path):
    tiny_coco.write_coco(tmp_path, 5)
    own = {"images": Path("val2017/images"), "annotations": Path("val2017/panoptic.json")}
    train, val = (COCOPanoptic(tmp_path, split, **own) for split in ("train", "val"))
    assert (len(train), len(val)) == (4, 1)
    assert sorted(train.names + val.names) == [str(i) for i in range(1, 6)]
    assert val[0][1]["segments"] == tiny_coco.SEGMENTS
