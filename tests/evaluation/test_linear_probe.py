"""A probe learns what the features know, no more, and the same from the same seed."""

import math

import pytest
import torch
from torch import nn

from tests.evaluation.toy_data import (
    NUM_CLASSES,
    SHORT_SCHEDULE,
    OneHotBackbone,
    PatchDataset,
    ZeroBackbone,
    create_benchmark,
)
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.linear_probe import Schedule, sample_pixels, train_probe
from unstride.evaluation.probe_measures import measure_probe
from unstride.evaluation.probe_tasks import SegmentationTask, create_probe_task

NEAREST = create_candidate("nearest", NUM_CLASSES, 4)


@pytest.mark.parametrize("stride", [4, 2, 1])
def test_features_that_are_the_labels_score_all(stride):
    for values in measure_probe(create_benchmark(stride=stride), NEAREST, [0, 1]):
        assert values["mIoU"] == 100 or stride == 4  # between cells, answers are interpolated
        assert values["mIoU"] > 60
        assert values["boundary mIoU"] > 60


def test_features_that_know_nothing_score_the_commonest_class():
    benchmark = create_benchmark(ZeroBackbone())
    for split in (benchmark.train_data, benchmark.eval_data):
        for _, labels in split.dataset:
            labels[labels == 3] = 1
    truth = torch.cat([labels.flatten() for _, labels in benchmark.eval_data.dataset])
    share = (truth == 1).double().mean().item()
    (values,) = measure_probe(benchmark, NEAREST, [0])
    assert values["mIoU"] == pytest.approx(100 * share / 3, abs=1e-4)  # of classes that occur


def test_depth_that_is_linear_in_the_features_is_found():
    (values,) = measure_probe(create_benchmark(kind="depth", stride=1), NEAREST, [0])
    assert values["abs rel"] < 0.05  # the labels are 1, 1.65, 2.72 and 4.48 m
    assert values["delta1"] == 100
    (blind,) = measure_probe(create_benchmark(ZeroBackbone(), kind="depth", stride=1), NEAREST, [0])
    assert blind["abs rel"] > 0.2


def test_a_seed_decides_all_and_seeds_differ():
    benchmark = create_benchmark()
    once, again = (measure_probe(benchmark, NEAREST, seeds) for seeds in ([0, 1], [1]))
    assert once[1] == again[0]
    pixels = sample_pixels(
        SegmentationTask(NUM_CLASSES),
        benchmark.train_features,
        benchmark.grid,
        NEAREST,
        seeds=[0, 1],
        schedule=SHORT_SCHEDULE,
    )
    assert not torch.equal(pixels[0][0], pixels[1][0])
    first, second = (
        train_probe(SegmentationTask(NUM_CLASSES), pixels[0], seed, SHORT_SCHEDULE)
        for seed in (0, 1)
    )
    assert not torch.equal(first.weight, second.weight)
    torch.manual_seed(5)
    assert torch.equal(
        train_probe(SegmentationTask(NUM_CLASSES), pixels[0], 0, SHORT_SCHEDULE).weight,
        first.weight,
    )


def test_the_rate_falls_by_a_cosine_stepped_once_in_each_iteration_to_zero(monkeypatch):
    rates, real = [], torch.optim.Adam.step

    def step(self, *arguments, **options):
        rates.append(self.param_groups[0]["lr"])
        optimizers.append(self)
        return real(self, *arguments, **options)

    optimizers = []
    monkeypatch.setattr(torch.optim.Adam, "step", step)
    schedule = Schedule(iterations=20, batch_size=4)
    train_probe(SegmentationTask(3), (torch.randn(9, 5), torch.randint(0, 3, (9,))), 0, schedule)
    expected = [schedule.learning_rate * (1 + math.cos(math.pi * t / 20)) / 2 for t in range(20)]
    assert rates == pytest.approx(expected)
    assert optimizers[-1].param_groups[0]["lr"] == pytest.approx(0, abs=1e-15)


def test_only_known_pixels_are_drawn_and_an_image_without_labels_gives_none():
    benchmark = create_benchmark()
    for index, (_, labels) in enumerate(benchmark.train_data.dataset):
        labels[labels >= 2] = 255
        if index == 0:
            labels.fill_(255)
    ((features, labels),) = sample_pixels(
        SegmentationTask(NUM_CLASSES),
        benchmark.train_features,
        benchmark.grid,
        NEAREST,
        seeds=[0],
        schedule=SHORT_SCHEDULE,
    )
    assert len(features) == 5 * SHORT_SCHEDULE.pixels_per_image
    assert set(labels.tolist()) == {0, 1}
    for _, labels in benchmark.train_data.dataset:
        labels.fill_(255)
    with pytest.raises(ValueError, match="the training images must have labelled pixels"):
        sample_pixels(
            SegmentationTask(NUM_CLASSES),
            benchmark.train_features,
            benchmark.grid,
            NEAREST,
            seeds=[0],
            schedule=SHORT_SCHEDULE,
        )


def test_large_splits_give_fewer_pixels_of_each_image():
    assert Schedule(pixels_per_image=600, max_pixels=1_000_000).num_pixels_drawn(367) == 600
    assert Schedule(pixels_per_image=600, max_pixels=1_000_000).num_pixels_drawn(20_000) == 50
    assert Schedule(pixels_per_image=600, max_pixels=10).num_pixels_drawn(20_000) == 1


def test_depth_is_known_and_scored_within_the_caps_of_its_data_set():
    labels = torch.tensor([[0.0, 0.0005, 0.8, 9.9, 12.0]])
    for cap, known in ((10.0, [2, 3]), (80.0, [2, 3, 4])):
        patches = PatchDataset(kind="depth")
        patches.caps = (0.001, cap)
        task = create_probe_task(patches)
        assert task.is_labelled(labels)[0].nonzero().flatten().tolist() == known
        metric = task.create_metric()
        metric.update(torch.full((1, 1, 5), 5.0).log(), labels)
        truth = labels[0, known]
        assert metric.compute()["RMSE"] == pytest.approx((truth - 5).square().mean().sqrt().item())


class Shifted(nn.Module):
    """Adds to every feature: neither its weights' sum is one nor do they commute with a probe."""

    def forward(self, features, guide=None, size=None):
        return nn.functional.interpolate(features, size, mode="nearest-exact").square() + 3


def test_the_probe_reads_upsampled_features_whatever_the_operator_does():
    (values,) = measure_probe(create_benchmark(stride=2), Candidate("shifted", Shifted()), [0])
    assert values["mIoU"] == 100


@pytest.mark.parametrize(
    ("stride", "wanted", "cell_size"), [(32, 4, 4), (14, 4, 3.5), (4, 4, 4), (4, 8, 4)]
)
def test_cells_of_the_grid_are_whole_parts_of_the_backbones(stride, wanted, cell_size):
    backbone = OneHotBackbone()
    backbone.stride = stride
    grid = FeatureGrid(backbone, wanted)
    assert grid.cell_size == cell_size
    rows, columns = grid.cell_centres((30, 7))
    assert rows.tolist() == [y for i in range(30) if (y := int((i + 0.5) * cell_size)) < 30]
    assert columns.max() < 7
