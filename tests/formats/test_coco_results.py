"""COCO's results format."""

import json

import pytest
import torch

from unstride.formats.coco_masks import decode_mask
from unstride.formats.coco_results import write_detections


def test_boxes_are_written_as_corner_and_size(tmp_path):
    detections = {
        "boxes": torch.tensor([[1.0, 2, 4, 7.5], [0, 0, 1, 1]]),
        "labels": torch.tensor([2, 1]),
        "scores": torch.tensor([0.5, 0.25]),
    }
    none = {name: value[:0] for name, value in detections.items()}
    write_detections(tmp_path / "a.json", [(139, detections), (7, none)], (1, 18))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [
        {"image_id": 139, "category_id": 18, "bbox": [1, 2, 3, 5.5], "score": 0.5},
        {"image_id": 139, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.25},
    ]


def test_masks_are_written_as_packed_runs(tmp_path):
    soft = torch.tensor([[[[0.5, 0.4, 0.9], [0.1, 0.7, 0.49]]]])
    detections = {
        "boxes": torch.tensor([[0.0, 0, 3, 2]]),
        "labels": torch.tensor([1]),
        "scores": torch.tensor([1.0]),
        "masks": soft,
    }
    write_detections(tmp_path / "a.json", [(1, detections)], (5,))
    (record,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert torch.equal(decode_mask(record["segmentation"], (2, 3)), soft[0, 0] >= 0.5)


@pytest.mark.parametrize("label", [0, 3])
def test_labels_without_a_category_are_refused(label, tmp_path):
    detections = {
        "boxes": torch.zeros(1, 4), "labels": torch.tensor([label]), "scores": torch.ones(1),
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"image 4: labels must be in 1..2, got {label}"):
        write_detections(tmp_path / "a.json", [(4, detections)], (1, 18))
