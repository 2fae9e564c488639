"""COCO's panoptic files: what is written is read again, and what is broken is named."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.layouts import shared_data
from unstride.formats.coco_panoptic import (
    read_panoptic_json,
    read_segment_ids,
    write_panoptic,
    write_segment_ids,
)
from unstride.formats.segments import Category, Segment

CATEGORIES = [Category(1, "person", True), Category(200, "rug-merged", False)]
IDS = torch.tensor([[0, 1, 256], [65536, 16777215, 256]])
SEGMENTS = [
    Segment(1, 1),
    Segment(256, 200),
    Segment(65536, 1, True),
    Segment(16777215, 200),
]


def test_ids_are_three_bytes(tmp_path):
    write_segment_ids(tmp_path / "a.png", IDS)
    colours = np.array(Image.open(tmp_path / "a.png"))
    assert colours[0].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert colours[1, :2].tolist() == [[0, 0, 1], [255, 255, 255]]
    assert torch.equal(read_segment_ids(tmp_path / "a.png", (2, 3)), IDS)


def test_what_is_written_is_read_again(tmp_path):
    write_panoptic(tmp_path / "out" / "found", {"000139": (IDS, SEGMENTS)}, CATEGORIES)
    segments, categories = read_panoptic_json(tmp_path / "out" / "found.json")
    assert segments == {"000139.png": SEGMENTS}
    assert categories == CATEGORIES
    assert torch.equal(read_segment_ids(tmp_path / "out" / "found" / "000139.png"), IDS)
    document = json.loads((tmp_path / "out" / "found.json").read_text(encoding="utf-8"))
    assert document["images"][0]["id"] == document["annotations"][0]["image_id"] == 139
    assert (document["images"][0]["height"], document["images"][0]["width"]) == (2, 3)
    infos = {s["id"]: s for s in document["annotations"][0]["segments_info"]}
    assert (infos[256]["area"], infos[256]["bbox"]) == (2, [2, 0, 1, 2])
    assert (infos[65536]["iscrowd"], infos[1]["iscrowd"]) == (1, 0)


def test_names_that_are_no_numbers_are_counted(tmp_path):
    both = {name: (torch.ones(1, 1, dtype=torch.int64), [Segment(1, 1)]) for name in "ba"}
    write_panoptic(tmp_path / "found", both, CATEGORIES)
    written = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["annotations"]
    assert [(a["image_id"], a["file_name"]) for a in written] == [(1, "b.png"), (2, "a.png")]


def test_coco_infos_are_computed_as_coco_has_them(tmp_path):
    folder = shared_data("coco") / "val2017"
    true = json.loads((folder / "panoptic.json").read_text(encoding="utf-8"))
    segments, categories = read_panoptic_json(folder / "panoptic.json")
    for annotation in true["annotations"][:5]:
        name = annotation["file_name"]
        result = {
            name.removesuffix(".png"): (
                read_segment_ids(folder / "panoptic" / name),
                segments[name],
            )
        }
        write_panoptic(tmp_path / "again", result, categories)
        again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))["annotations"][0]
        assert again == annotation


@pytest.mark.parametrize(
    ("ids", "segments", "message"),
    [
        (torch.tensor([[1]]), [], "x: segment 1 has pixels"),
        (torch.tensor([[2**24]]), [Segment(2**24, 1)], "x.png: ids"),
        (torch.tensor([[-1]]), [Segment(-1, 1)], "x.png: ids"),
    ],
)
def test_maps_that_cannot_be_written_are_refused(ids, segments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_panoptic(tmp_path / "found", {"x": (ids, segments)}, CATEGORIES)


def document(**changes):
    segment = {"id": 1, "category_id": 1, "iscrowd": 0}
    annotation = {"image_id": 1, "file_name": "a.png", "segments_info": [segment]}
    whole = {"categories": [{"id": 1, "name": "person"}], "annotations": [annotation]}
    return whole | changes


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x89PNG\xff",
        b"[]",
        b"[" * 100_000,
        b'{"annotations": []}',
        json.dumps(document(annotations=3)).encode(),
        json.dumps(document(annotations=[3])).encode(),
        json.dumps(document(annotations=[{}])).encode(),
        json.dumps(document(categories=[{"id": "1", "name": "person"}])).encode(),
        json.dumps(document(categories=[{"id": 1}])).encode(),
        json.dumps(document(categories=[{"id": 2, "name": "cat"}])).encode(),
        json.dumps(document(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])).encode(),
    ],
)
def test_broken_json_is_named_in_one_sentence(text, tmp_path):
    path = tmp_path / "panoptic.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"panoptic.json: ") as caught:
        read_panoptic_json(path)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_document_that_is_whole_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(document()), encoding="utf-8")
    segments, categories = read_panoptic_json(tmp_path / "a.json")
    assert segments == {"a.png": [Segment(1, 1)]}
    assert categories == [Category(1, "person", True)]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.json"):
        read_panoptic_json(tmp_path / "no.json")
    Image.new("L", (3, 2)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match=r"grey.png.* got L"):
        read_segment_ids(tmp_path / "grey.png")
    Image.new("RGB", (3, 2)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"small.png.*of 4 x 2 pixels.*3 x 2"):
        read_segment_ids(tmp_path / "small.png", (2, 4))
