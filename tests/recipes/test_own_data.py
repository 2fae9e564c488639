"""A newcomer's path: a folder of photographs and labels is checked, trained on and predicted."""

import json

import pytest

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes import tiny_coco, tiny_own
from unstride.cli.main import main

SMALL = ["--backbone=resnet18", "--pretrained=false", "--device=cpu", "--batch-size=2"]
DETECTOR = [
    *SMALL, "--steps=1", "--model=faster_rcnn", "--min-size=64", "--max-size=80",
    '--model-options={"width": 32, "box_detections_per_img": 5}', "--val-limit=1",
]  # fmt: skip


def test_from_a_folder_of_photographs_to_a_prediction(tmp_path):
    data, run = tiny_own.write_masks(tmp_path / "data"), tmp_path / "run"
    sheet = tmp_path / "check.png"
    assert main(["data", "check", str(data), f"--out={sheet}"]) == 0
    assert sheet.is_file()
    words = ["--dataset=folder", f"--data={data}", f"--out={run}", "--steps=3", *SMALL]
    network = ["--strides=4,8", "--crop-size=32x32", '--model-options={"width": 8}']
    assert main(["fit", "segmentation", *words, *network]) == 0
    config = json.loads((run / "model/config.json").read_text(encoding="utf-8"))
    assert config["classes"] == list(tiny_own.CLASSES)
    assert main(["validate", "segmentation", *words, *network]) == 0
    photo, out = data / "images/0.jpg", tmp_path / "out"
    assert main(["predict", str(photo), f"--model={run / 'model'}", f"--out={out}"]) == 0
    assert (out / "classes/0.png").is_file()


@pytest.mark.parametrize("kind", ["png", "npy"])
def test_a_folder_of_depth_trains(kind, tmp_path):
    data = tiny_own.write_depth(tmp_path / "data", kind=kind)
    words = [f"--data={data}", f"--out={tmp_path / 'run'}", *SMALL, "--steps=1", "--size=32x32"]
    network = ["--dataset=folder", '--model-options={"width": 8}']
    assert main(["fit", "depth", *words, *network]) == 0


@pytest.mark.parametrize("segmentation", [None, []])
def test_boxes_without_masks_in_a_coco_file_train_a_detector(segmentation, tmp_path, capsys):
    more = {} if segmentation is None else {"segmentation": segmentation}
    data = tiny_own.write_coco_boxes(tmp_path / "data", **more)
    files = [f"--images={data / 'photos'}", f"--annotations={data / 'boxes.json'}"]
    words = ["--dataset=coco", *files, f"--out={tmp_path / 'run'}", *DETECTOR]
    assert main(["fit", "detection", *words]) == 0
    config = json.loads((tmp_path / "run/model/config.json").read_text(encoding="utf-8"))
    assert (config["classes"], config["categories"]) == (["person", "dog"], [7, 90])
    assert main(["validate", "detection", *words]) == 0
    capsys.readouterr()
    assert main(["fit", "detection", *words, "--model=mask_rcnn"]) == 1
    said = capsys.readouterr().err
    assert "boxes.json: annotation 0 has no mask, which model mask_rcnn needs; choose" in said


@pytest.mark.parametrize("dataset", ["voc", "yolo"])
def test_boxes_of_other_programs_train_a_detector(dataset, tmp_path):
    write = {"voc": tiny_own.write_voc, "yolo": tiny_own.write_yolo}[dataset]
    data = write(tmp_path / "data")
    assert main(["data", "check", str(data), f"--out={tmp_path / 'check.png'}"]) == 0
    words = [f"--dataset={dataset}", f"--data={data}", f"--out={tmp_path / 'run'}", *DETECTOR]
    assert main(["fit", "detection", *words]) == 0
    config = json.loads((tmp_path / "run/model/config.json").read_text(encoding="utf-8"))
    assert sorted(config["classes"]) == ["dog", "person"]


def test_a_panoptic_file_of_ones_own_is_checked_and_refused_or_trained_on(tmp_path, capsys):
    data = tiny_coco.write_coco(tmp_path / "data") / "train2017"
    files = ["--images=images", "--annotations=panoptic.json"]
    words = ["--task=panoptic", "--dataset=coco_panoptic", f"--out={tmp_path / 'check.png'}"]
    assert main(["data", "check", str(data), *words, *files]) == 0
    assert "grass" in capsys.readouterr().out
    words = [f"--data={data}", f"--out={tmp_path / 'run'}", *files, *SMALL, "--steps=1"]
    network = ["--model=panoptic_deeplab", "--crop-size=64x64", "--strides=4,8,16", "--val-limit=1"]
    width = '--model-options={"width": 16}'
    assert main(["fit", "panoptic", *words, *network, width, "--images=x"]) == 1
    assert f"{data / 'x'}: no such folder of images" in capsys.readouterr().err
    assert main(["fit", "panoptic", *words, *network, width]) == 0
