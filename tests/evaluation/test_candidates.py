"""A row is a word with options, an upsampler, or a fit for each image."""

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
    row = create_candidate("joint_bilateral:kernel_size=3,sigma_range=0.3,label=small", 8, 32)
    assert (row.label, row.state) == ("small", "")
    assert (row.module.kernel_size, row.module.sigma_range) == (3, 0.3)
    assert (
        create_candidate("joint_bilateral:kernel_size=3", 8, 32).label
        == "joint_bilateral:kernel_size=3"
    )


def test_a_row_says_whether_its_upsampler_was_trained(tmp_path):
    from safetensors.torch import save_file

    assert create_candidate("featup_jbu", 8, 32).state == "shipped"
    assert create_candidate("featup_jbu:pretrained=false", 8, 32).state == "untrained"
    assert create_candidate("carafe", 8, 4).state == "untrained"
    assert create_candidate("bilinear", 8, 4).state == ""
    trained = create_upsampler("carafe", 8, 4, stages=2)
    save_file(trained.state_dict(), tmp_path / "mine.safetensors")
    row = create_candidate(f"carafe:weights={tmp_path}/mine.safetensors", 8, 4)
    assert row.state == "mine.safetensors"
    own, other = row.module.state_dict(), trained.state_dict()
    assert all(torch.equal(own[key], other[key]) for key in other)


def test_operators_published_for_scale_2_that_learn_are_repeated():
    assert len(create_candidate("carafe", 8, 32).module.upsamplers) == 5
    assert create_candidate("carafe:stages=1", 8, 32).module.scale == 32
    assert not hasattr(create_candidate("carafe", 8, 14).module, "upsamplers")
    assert not hasattr(create_candidate("joint_bilateral", 8, 32).module, "upsamplers")


def test_untrained_rows_are_the_same_in_every_run():
    first = create_candidate("carafe", 8, 4).described()
    torch.manual_seed(99)
    assert create_candidate("carafe", 8, 4).described() == first
    assert first["tensors"] != create_candidate("carafe", 9, 4).described()["tensors"]


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
        ("bilinear:sigma=1", "options of bilinear: .*unexpected keyword argument 'sigma'"),
        ("featup_jbu:variant=none", "variant must be one of default, paper"),
        ("carafe:weights=nowhere.safetensors", "weights must be a safetensors file, got nowhere"),
        ("carafe:stages=3", "scale must be a whole number to the power of stages=3"),
    ],
)
def test_mistakes_get_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        create_candidate(text, 8, 4)


def test_a_users_own_class_is_a_row():
    class Mine(Bilinear):
        """Written in a test."""

    row = create_candidate(Mine(NUM_CLASSES, 4), NUM_CLASSES, 4)
    assert row.label == "Mine"
    assert measure_probe(create_benchmark(), row, [0]) == measure_probe(
        create_benchmark(), create_candidate("bilinear", NUM_CLASSES, 4), [0]
    )


def test_a_folder_of_saved_weights_says_all_but_the_label(tmp_path):
    create_upsampler("joint_bilateral", 8, 32, kernel_size=3).save_pretrained(tmp_path / "mine")
    row = create_candidate(f"joint_bilateral:weights={tmp_path}/mine,label=own", 8, 32)
    assert (row.label, row.state, row.module.kernel_size) == ("own", "mine", 3)
    with pytest.raises(ValueError, match="is a folder, which says all"):
        create_candidate(f"joint_bilateral:weights={tmp_path}/mine,kernel_size=5", 8, 32)


def test_the_implicit_network_is_fitted_to_each_image_of_a_probe():
    row = create_candidate("featup_implicit:steps=1,views=2,held_out=1,drawn=1,components=2", 4, 4)
    assert row.state == "fitted to each image"
    made = create_benchmark(MeanColourBackbone(), stride=2)
    made.train, made.scored = replace(made.train, limit=2), replace(made.scored, limit=1)
    (values,) = measure_probe(made, row, [0])
    assert 0 <= values["mIoU"] <= 100
    assert len(row.fitted) == 3
    other = create_candidate("featup_implicit:steps=2,label=" + row.label, 4, 4)
    assert row.described() != other.described()


def test_a_fit_is_made_once_for_each_image_and_may_take_gradients():
    seen = []

    def fit(backbone, image, features):
        torch.testing.assert_close(backbone(image), features, atol=2e-3, rtol=2e-3)
        parameter = torch.zeros(1, requires_grad=True)
        (parameter * features.mean() + backbone.mean.sum() * parameter).sum().backward()
        seen.append(tuple(image.shape[2:]))
        return Nearest(NUM_CLASSES, 4)

    made = create_benchmark(stride=2)
    row = Candidate("fitted", fit=fit)
    assert measure_probe(made, row, [0]) == measure_probe(
        made, create_candidate("nearest", NUM_CLASSES, 4), [0]
    )
    assert len(seen) == len(made.training) + len(made.scoring)
    measure_probe(made, row, [1])
    assert len(seen) == len(made.training) + len(made.scoring)
    assert row.described() != Candidate("fitted", fit=OneHotBackbone().forward).described()
