"""Transfer, segments, consistency, class-activation maps and cost, where the answer is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.evaluation.toy_data import (
    NUM_CLASSES,
    MeanColourBackbone,
    OneHotBackbone,
    WastefulNearest,
    ZeroBackbone,
    create_benchmark,
)
from unstride import list_upsamplers
from unstride.evaluation.cam import class_activation_map, measure_cam
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.consistency import measure_consistency
from unstride.evaluation.cost import UpsamplerCall, measure_cost
from unstride.evaluation.probe_measures import measure_probe, measure_transfer
from unstride.evaluation.process_memory import measure_peak_in_subprocess
from unstride.evaluation.segment_measure import measure_segments
from unstride.upsamplers import Bilinear, Nearest


class Negative(Nearest):
    """Leaves the space of the features, but keeps all that they know."""

    def forward(self, features, guide=None, size=None):
        return -super().forward(features, guide, size)


def test_nearest_transfers_exactly_and_an_operator_that_leaves_the_space_does_not():
    benchmark = create_benchmark(stride=2)
    (away,), (near,) = (
        measure_transfer(benchmark, Candidate(up.__class__.__name__, up), [0])
        for up in (Negative(NUM_CLASSES, 4), Nearest(NUM_CLASSES, 4))
    )
    assert near["mIoU"] == 100
    assert away["mIoU"] < 50
    assert (
        measure_probe(benchmark, Candidate("negative", Negative(NUM_CLASSES, 4)), [0])[0]["mIoU"]
        == 100
    )


def test_transfer_trains_a_seed_once_for_all_rows(monkeypatch):
    from unstride.evaluation import probe_measures

    trained, real = [], probe_measures.train_probe
    monkeypatch.setattr(probe_measures, "train_probe", lambda *a: trained.append(a[2]) or real(*a))
    benchmark = create_benchmark(MeanColourBackbone(), stride=1)  # grey alone: no probe is perfect
    bilinear = create_candidate("bilinear", 3, 4)
    first = measure_transfer(benchmark, bilinear, [0, 1])
    measure_transfer(benchmark, create_candidate("nearest", 3, 4), [1, 2])
    assert trained == [0, 1, 2]
    assert first[0] != first[1]
    assert [measure_transfer(benchmark, bilinear, [seed])[0] for seed in (0, 1)] == first


def test_segments_are_told_apart_by_features_that_know_them_alone():
    nearest = create_candidate("nearest", NUM_CLASSES, 4)
    values = measure_segments(create_benchmark(kind="segments"), nearest, [0, 1])
    assert list(values[0]) == ["AUC", *(f"AUC at {n} px" for n in (4, 8, 16, 32))]
    assert math.isnan(values[0].pop("AUC at 32 px"))  # no two pixels are that far apart
    assert set(values[0].values()) == {100}
    (blind,) = measure_segments(create_benchmark(ZeroBackbone(), kind="segments"), nearest, [0])
    assert blind["AUC"] == 50


class Wrong(Bilinear):
    """One more than it should be, everywhere."""

    def forward(self, features, guide=None, size=None):
        return super().forward(features, guide, size) + 1


def test_consistency_is_the_mean_square_of_what_the_backbone_says_and_the_features():
    benchmark = create_benchmark(ZeroBackbone())
    values = measure_consistency(benchmark, Candidate("bilinear", Bilinear(NUM_CLASSES)), [0])
    assert values[0]["error"] == 0
    (wrong,) = measure_consistency(benchmark, Candidate("wrong", Wrong(NUM_CLASSES)), [0])
    assert wrong["error"] == pytest.approx(1)


def test_consistency_has_the_same_views_for_all_and_is_relative_to_bilinear():
    benchmark = create_benchmark(MeanColourBackbone(), stride=1)
    first, second = measure_consistency(benchmark, Candidate("bilinear", Bilinear(3)), [0, 1])
    assert first["error / bilinear"] == second["error / bilinear"] == 1
    assert first["error"] != second["error"]
    (nearest,) = measure_consistency(benchmark, Candidate("nearest", Nearest(3)), [0])
    assert nearest["error"] == pytest.approx(nearest["error / bilinear"] * first["error"])
    assert nearest["error"] > first["error"] > 0


class Greenness(nn.Module):
    """Says of an image how green it is; its features are the colours themselves."""

    stride, channels = 1, 3

    def forward(self, image):
        return image.mean((2, 3)) * 20

    def pixel_scores(self, features, label):
        return features[:, label] - 0.5


class Colours(OneHotBackbone):
    """A backbone whose features are the pixels."""

    channels, stride = 3, 1

    def padded_size(self, size):
        return size

    def forward(self, image):
        return image


def test_the_map_is_the_score_of_each_pixel_without_negatives_from_0_to_1():
    features = torch.rand(1, 3, 70, 90)  # more pixels than are scored at once
    found = class_activation_map(Greenness(), features, 1)
    scores = (features[0, 1] - 0.5).clamp(min=0)
    torch.testing.assert_close(found, scores / scores.max())
    assert class_activation_map(Greenness(), torch.zeros(1, 3, 4, 4), 1).tolist() == [[0.0] * 4] * 4


def test_average_drop_is_that_of_the_image_times_its_map():
    benchmark = create_benchmark(Colours(), kind="classes", make_classifier=Greenness)
    benchmark.eval_data.dataset.items = [(torch.rand(3, 8, 8), 1) for _ in range(3)]
    benchmark.eval_features.memory_cache.clear()
    (values,) = measure_cam(benchmark, create_candidate("nearest", 3, 1), [0])
    drops = []
    for image, _ in benchmark.eval_data.dataset.items:
        shown = class_activation_map(Greenness(), image[None], 1)
        whole, masked = (Greenness()(x[None]).softmax(1)[0, 1] for x in (image, image * shown))
        drops.append(((whole - masked).clamp(min=0) / whole).item())
    assert values["drop"] == pytest.approx(100 * sum(drops) / 3, rel=1e-3)  # features are halves
    assert set(values) == {"drop", "increase", "gain"}


def test_maps_need_the_features_of_the_classifiers_head():
    with pytest.raises(ValueError, match="need features of stride 1 with 3 channels, got stride 4"):
        _ = create_benchmark(make_classifier=Greenness).classifier
    with pytest.raises(ValueError, match="need the backbone's classifier"):
        _ = create_benchmark().classifier


def test_memory_is_the_peak_beyond_the_inputs_in_another_process():
    peak = (
        measure_peak_in_subprocess(UpsamplerCall(WastefulNearest(3, 4), 3, 4, image_size=64))
        / 2**20
    )
    assert 63 <= peak < 72  # the kernel counts a thread's pages in batches of 64, a quarter MiB


def test_memory_of_what_cannot_be_sent_to_another_process_is_not_known():
    class Local(Nearest):
        pass

    assert measure_peak_in_subprocess(UpsamplerCall(Local(3, 4), 3, 4, image_size=64)) is None


def test_time_is_relative_to_bilinear(monkeypatch):
    from unstride.evaluation import cost

    monkeypatch.setattr(cost, "IMAGE_SIZE", 64)
    monkeypatch.setattr(cost, "median_times", lambda *_, **__: {"candidate": 3.0, "bilinear": 2.0})
    monkeypatch.setattr(cost, "measure_peak_in_subprocess", lambda _: 3 * 2**20)
    (values,) = measure_cost(create_benchmark(), create_candidate("bilinear", NUM_CLASSES, 4), [0])
    assert values == {"time / bilinear": 1.5, "ms": 3000, "peak MiB": 3}


@pytest.mark.parametrize("name", [n for n in list_upsamplers() if n != "max_unpool"])
def test_every_upsampler_goes_through_the_probe(name):
    benchmark = create_benchmark(stride=2)
    benchmark.train_data = replace(benchmark.train_data, limit=2)
    benchmark.eval_data = replace(benchmark.eval_data, limit=1)
    (values,) = measure_probe(benchmark, create_candidate(name, NUM_CLASSES, 4), [0])
    assert 0 <= values["mIoU"] <= 100


def test_an_operator_that_cannot_take_an_image_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="guide_channels must be the 8 channels of the features"):
        create_candidate("max_unpool", 8, 4)
