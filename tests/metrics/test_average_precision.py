"""Average precision: by hand, and as COCO's evaluation has it from the same files."""

import contextlib
import io

import pytest
import torch

from tests.datasets.layouts import shared_data
from tests.recipes import tiny_coco as scenes
from unstride.datasets.coco_detection import COCODetection
from unstride.formats.coco_results import write_detections
from unstride.metrics import average_precision


def perturbed_detections(target):
    """The truth, perturbed_detections, partly of another class, with a box of nothing."""
    n = len(target["labels"])
    boxes = torch.as_tensor(target["boxes"]) + torch.randn(n, 4) * 2
    masks = torch.as_tensor(target["masks"]).roll((1, 2), (1, 2))
    labels = torch.where(torch.rand(n) < 0.2, 1, target["labels"])
    return {"boxes": boxes, "masks": masks[:, None].float(), "labels": labels,
            "scores": torch.rand(n)}  # fmt: skip


@pytest.mark.parametrize("where", ["meadows", "coco"])
@pytest.mark.parametrize(("of", "kind"), [("boxes", "bbox"), ("masks", "segm")])
def test_cocos_evaluation_of_the_written_file_agrees(of, kind, where, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    folder = shared_data("coco") if where == "coco" else scenes.write_coco(tmp_path / "data", 8)
    dataset = COCODetection(folder, "train")
    crowds = [
        i for i, n in enumerate(dataset.image_ids)
        if any(e["iscrowd"] for e in dataset.annotations[n])
    ]  # fmt: skip
    metric, results = average_precision(of), []
    for index in sorted({*range(24 if where == "coco" else 8), *crowds}):
        _, target = dataset[index]
        found = perturbed_detections(target)
        if of == "masks":  # whose areas the evaluation takes from the boxes
            found["boxes"] = torch.as_tensor(target["boxes"])
        results.append((target["image_id"], found))
        metric.update([found | {"masks": found["masks"][:, 0] >= 0.5}], [target])
    write_detections(tmp_path / "found.json", results, dataset.category_ids)

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(dataset.annotation_file))
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "found.json")), kind)
        evaluation.params.imgIds = [number for number, _ in results]
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    ours = metric.compute()
    assert 0.05 < float(ours["map"]) < 0.95
    for place, name in enumerate(("map", "map_50", "map_75")):
        assert float(ours[name]) == pytest.approx(float(evaluation.stats[place]), abs=1e-6)


def test_one_of_two_boxes_found_is_half():
    box = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    truth = {"boxes": box, "labels": torch.tensor([1, 1]), "iscrowd": torch.tensor([False, False])}
    found = {"boxes": box[:1], "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    metric = average_precision()
    metric.update([found], [truth])
    assert float(metric.compute()["map"]) == pytest.approx(51 / 101)  # recall 0 to 1/2 of 101 steps


def test_masks_count_at_the_thresholds_that_they_reach():
    mask = torch.zeros(1, 12, 12, dtype=torch.bool)
    mask[:, :10, :10] = True
    less = mask.clone()
    less[:, 7:, :4], less[:, 0, :8], less[:, 1, :8] = False, False, False  # 72 of 100 pixels
    box = torch.tensor([[0.0, 0, 10, 10]])
    truth = {"boxes": box, "masks": mask, "labels": torch.tensor([1])}
    found = {**truth, "masks": less, "scores": torch.tensor([0.9])}
    metric = average_precision("masks")
    metric.update([found], [truth])
    scores = {name: round(float(metric.compute()[name]), 6) for name in ("map", "map_50", "map_75")}
    assert scores == {"map": 0.5, "map_50": 1, "map_75": 0}


def test_it_is_nan_of_nothing():
    """Where torchmetrics says -1, as if it were a score."""
    metric = average_precision()
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    metric.update([none | {"scores": torch.zeros(0)}], [none])
    found = metric.compute()
    assert found["map"].isnan()
    assert found["map_50"].isnan()


def test_photographs_of_all_processes_count_one_of_each_in_turn(monkeypatch):
    mine, other = average_precision(), average_precision()
    photographs = [
        [{"boxes": torch.tensor([[0.0, 0.0, n, n]]), "labels": torch.tensor([1])}]
        for n in (4.0, 8.0, 9.0)
    ]
    for metric, seen in ((mine, photographs[::2]), (other, photographs[1:2])):
        for (target,) in seen:
            metric.update([{**target, "scores": torch.ones(1)}], [target])

    def gathered(every, states, group):
        every[:] = states, {name: getattr(other, name) for name in states}

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gathered)
    mine._sync_dist()
    assert [float(boxes[0, 2]) for boxes in mine.groundtruth_box] == [4.0, 8.0, 9.0]
