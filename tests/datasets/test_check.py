"""`unstride data check` counts what is there and names what is wrong."""

import numpy as np
import pytest
from PIL import Image

from tests.recipes import tiny_own
from tests.recipes.tiny_coco import instance_map
from unstride.cli.main import main
from unstride.datasets.check import check_splits
from unstride.datasets.folder import SegmentationFolder
from unstride.datasets.guess import guess_dataset


def check(root, splits=("train", "val", "test")):
    found = check_splits(
        lambda split: SegmentationFolder(root, split), splits, lambda indices, _: indices
    )
    return {c.split: c for c in found}


def test_images_classes_and_pixels_are_counted(tmp_path):
    tiny_own.write_masks(tmp_path)
    train = check(tmp_path)["train"]
    masks = [instance_map(int(name.split()[-1])) for name, _ in train.tiles]
    assert len(masks) == train.images == 5
    assert train.sizes == {(64, 80): 5}
    for number, name in enumerate(tiny_own.CLASSES):
        assert train.classes[name].pixels == sum(int((m == number).sum()) for m in masks)
        assert train.classes[name].images == 5
    assert train.known == [1.0] * 5
    assert train.problems == []


def test_every_file_that_is_wrong_is_named_and_the_others_are_counted(tmp_path):
    tiny_own.write_masks(tmp_path)
    names = SegmentationFolder(tmp_path, "train").names
    masks = [tmp_path / f"masks/{name}.png" for name in names[:2]]
    Image.fromarray(np.full((64, 80), 9, np.uint8)).save(masks[0])
    content = masks[1].read_bytes()
    masks[1].write_bytes(content[: len(content) // 2])
    masks.append(tmp_path / f"masks/{names[3]}.png")
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(masks[2])
    train = check(tmp_path)["train"]
    assert (train.images, sum(train.sizes.values())) == (5, 2)
    assert all(str(path) in p for path, p in zip(masks, train.problems, strict=True))


def test_copies_are_problems_and_classes_that_never_occur_are_noted(tmp_path):
    tiny_own.write_masks(tmp_path)
    with open(tmp_path / "classes.txt", "a", encoding="utf-8") as file:
        file.write("\ncow")
    (tmp_path / "train.txt").write_text("0\n1\n2\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("3\n", encoding="utf-8")
    for copy in (1, 3):
        content = (tmp_path / "images/0.jpg").read_bytes()
        (tmp_path / f"images/{copy}.jpg").write_bytes(content)
    found = check(tmp_path)
    assert found["train"].problems == [
        f"{tmp_path}/images/1.jpg: the same file as {tmp_path}/images/0.jpg"
    ]
    assert found["val"].problems == [
        f"{tmp_path}/images/3.jpg: also in train, as {tmp_path}/images/0.jpg"
    ]
    assert found["train"].notes == found["val"].notes == ["no image has cow"]
    names = "\n".join(f"class {i}" for i in range(20))
    (tmp_path / "classes.txt").write_text(names, encoding="utf-8")
    assert check(tmp_path)["train"].notes[0].endswith("class 12 and 7 more")


def test_label_files_without_an_image_are_problems(tmp_path):
    tiny_own.write_masks(tmp_path)
    (tmp_path / "images/3.jpg").unlink()
    found = check(tmp_path)
    assert found["train"].problems == [f"{tmp_path}/masks/3.png: no image has this name"]
    assert found["val"].problems == []


def test_a_split_that_must_be_there_is_a_problem_and_another_is_a_note(tmp_path):
    tiny_own.write_masks(tmp_path)
    test = check(tmp_path)["test"]
    assert test.is_absent
    assert "test.txt: no such list" in test.notes[0]
    (tmp_path / "train.txt").write_text("0\n", encoding="utf-8")
    found = check(tmp_path)
    assert "val.txt: no such list" in found["val"].problems[0]
    assert found["train"].problems == []


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (tiny_own.write_masks, ("segmentation", "folder")),
        (tiny_own.write_depth, ("depth", "folder")),
        (tiny_own.write_voc, ("detection", "voc")),
        (tiny_own.write_yolo, ("detection", "yolo")),
    ],
)
def test_the_folders_say_what_a_data_set_is_for(write, expected, tmp_path):
    assert guess_dataset(write(tmp_path / "a")) == expected
    (tmp_path / "b").mkdir()
    (tmp_path / "a").rename(tmp_path / "b/train")
    assert guess_dataset(tmp_path / "b") == expected


def test_the_command_prints_counts_and_problems_and_fails_if_there_are_any(tmp_path, capsys):
    tiny_own.write_masks(tmp_path / "data")
    words = ["data", "check", str(tmp_path / "data"), f"--out={tmp_path / 'sheet.png'}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "data: segmentation, data set folder" in said
    assert "no problem was found" in said
    for word in ("train", "80 x 64", "100.0%", "person", "test: note: "):
        assert word in said, word
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 200
    name = SegmentationFolder(tmp_path / "data", "val").names[0]
    Image.fromarray(np.full((64, 80), 9, np.uint8)).save(tmp_path / f"data/masks/{name}.png")
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"val: {tmp_path}/data/masks/{name}.png: 9 (100.0% of the pixels) is not in" in said
    assert "1 problem was found" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "neither images with masks, depth nor boxes were found; say what it is"),
        ([".", "--task=depth", "--dataset=x"], "dataset must be one of posed_rgbd, nyuv2,"),
    ],
)
def test_what_cannot_be_checked_is_said_in_a_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", *words]) == 1
    said = capsys.readouterr()
    assert message in said.out + said.err
