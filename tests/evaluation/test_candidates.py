"""A candidate is a word with options, an upsampler, or a fit for each image."""

from dataclasses import replace

import pytest
import torch

from tests.evaluation.toy_data import (
    NUM_CLASSES,
    MeanColourBackbone,
    OneHotBackbone,
    create_benchmark,
)
from unstride import create_upsampler
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.probe_measures import measure_probe
from unstride.upsamplers import Bilinear, Nearest


def test_options_reach_the_upsampler_and_the_label_the_table():
    candidate = create_candidate("joint_bilateral:kernel_size=3,sigma_range=0.3,label=small", 8, 32)
    assert (candidate.label, candidate.weights_origin) == ("small", "")
    assert (candidate.module.kernel_size, candidate.module.sigma_range) == (3, 0.3)
    assert (
        create_candidate("joint_bilateral:kernel_size=3", 8, 32).label
        == "joint_bilateral:kernel_size=3"
    )


def test_a_row_says_whether_its_upsampler_was_trained(tmp_path):
    from safetensors.torch import save_file

    assert create_candidate("featup_jbu", 8, 32).weights_origin == "shipped"
    assert create_candidate("featup_jbu:pretrained=false", 8, 32).weights_origin == "untrained"
    assert create_candidate("carafe", 8, 4).weights_origin == "untrained"
    assert create_candidate("bilinear", 8, 4).weights_origin == ""
    trained = create_upsampler("carafe", 8, 4, stages=2)
    save_file(trained.state_dict(), tmp_path / "mine.safetensors")
    candidate = create_candidate(f"carafe:weights={tmp_path}/mine.safetensors", 8, 4)
    assert candidate.weights_origin == "mine.safetensors"
    own, other = candidate.module.state_dict(), trained.state_dict()
    assert all(torch.equal(own[key], other[key]) for key in other)


def test_operators_published_for_scale_2_that_learn_are_repeated():
    assert len(create_candidate("carafe", 8, 32).module.upsamplers) == 5
    assert create_candidate("carafe:stages=1", 8, 32).module.scale == 32
    assert not hasattr(create_candidate("carafe", 8, 14).module, "upsamplers")
    assert not hasattr(create_candidate("joint_bilateral", 8, 32).module, "upsamplers")


def test_untrained_rows_are_the_same_in_every_run():
    first = create_candidate("carafe", 8, 4).cache_key()
    torch.manual_seed(99)
    assert create_candidate("carafe", 8, 4).cache_key() == first
    assert first["tensors"] != create_candidate("carafe", 9, 4).cache_key()["tensors"]


def test_the_random_numbers_of_the_caller_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    create_candidate("carafe", 8, 4)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none", "upsampler must be one of nearest"),
        ("bilinear:sigma=1", "upsampler bilinear has no option sigma, it has none"),
        ("featup_jbu:variant=none", "variant must be one of default, paper"),
        ("carafe:weights=nowhere.safetensors", "weights cannot be read: nowhere"),
        ("carafe:stages=3", "scale must be a whole number to the power of stages=3"),
    ],
)
def test_mistakes_get_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        create_candidate(text, 8, 4)


def test_a_users_own_class_is_a_row():
    class Mine(Bilinear):
        """Written in a test."""

    candidate = create_candidate(Mine(NUM_CLASSES, 4), NUM_CLASSES, 4)
    assert candidate.label == "Mine"
    assert measure_probe(create_benchmark(), candidate, [0]) == measure_probe(
        create_benchmark(), create_candidate("bilinear", NUM_CLASSES, 4), [0]
    )


def test_a_folder_of_saved_weights_says_all_but_the_label(tmp_path):
    create_upsampler("joint_bilateral", 8, 32, kernel_size=3).save_pretrained(tmp_path / "mine")
    candidate = create_candidate(f"joint_bilateral:weights={tmp_path}/mine,label=own", 8, 32)
    assert (candidate.label, candidate.weights_origin, candidate.module.kernel_size) == (
        "own",
        "mine",
        3,
    )
    with pytest.raises(ValueError, match="is a folder that contains all options"):
        create_candidate(f"joint_bilateral:weights={tmp_path}/mine,kernel_size=5", 8, 32)


def test_the_implicit_network_is_fitted_to_each_image_of_a_probe():
    candidate = create_candidate(
        "featup_implicit:steps=1,views=2,held_out=1,views_per_step=1,components=2", 4, 4
    )
    assert candidate.weights_origin == "fitted to each image"
    benchmark = create_benchmark(MeanColourBackbone(), stride=2)
    benchmark.train_data = replace(benchmark.train_data, limit=2)
    benchmark.eval_data = replace(benchmark.eval_data, limit=1)
    (values,) = measure_probe(benchmark, candidate, [0])
    assert 0 <= values["mIoU"] <= 100
    assert len(candidate.fit_cache) == 3
    other = create_candidate("featup_implicit:steps=2,label=" + candidate.label, 4, 4)
    assert candidate.cache_key() != other.cache_key()


def test_a_fit_is_made_once_for_each_image_and_may_take_gradients():
    seen = []

    def fit(backbone, image, features):
        torch.testing.assert_close(backbone(image), features, atol=2e-3, rtol=2e-3)
        parameter = torch.zeros(1, requires_grad=True)
        (parameter * features.mean() + backbone.mean.sum() * parameter).sum().backward()
        seen.append(tuple(image.shape[2:]))
        return Nearest(NUM_CLASSES, 4)

    benchmark = create_benchmark(stride=2)
    candidate = Candidate("fitted", fit=fit)
    assert measure_probe(benchmark, candidate, [0]) == measure_probe(
        benchmark, create_candidate("nearest", NUM_CLASSES, 4), [0]
    )
    assert len(seen) == len(benchmark.train_features) + len(benchmark.eval_features)
    measure_probe(benchmark, candidate, [1])
    assert len(seen) == len(benchmark.train_features) + len(benchmark.eval_features)
    assert candidate.cache_key() != Candidate("fitted", fit=OneHotBackbone().forward).cache_key()
