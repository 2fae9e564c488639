"""Where a model upsamples is found in one forward that leaves no trace."""

from collections import UserDict

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from tests.swapping.toy_networks import PLACE_NAMES, ToyNet
from unstride import find_places


def fingerprint(model):
    return {
        path: (type(m), m.training, len(m._forward_hooks), len(m._forward_pre_hooks), [*vars(m)])
        for path, m in model.named_modules()
    }


def test_each_place_is_listed_with_its_sizes():
    places = find_places(ToyNet(), example=torch.randn(2, 3, 16, 24))
    assert {
        p.name: (p.kind, p.input_meta.shape[1], p.out_channels, p.output_size, p.scale)
        for p in places
    } == {
        "place": ("bilinear", 8, 8, (4, 6), 2),
        "block": ("nearest", 8, 8, (8, 12), 2),
        "deconv": ("deconvolution", 8, 6, (16, 24), 2),
        "refine.0": ("bilinear", 8, 8, (16, 24), 2),
        "self:0": ("bilinear", 8, 8, (16, 24), 2),
        "self:1": ("bilinear", 8, 8, (16, 24), 4),
        "self:2": ("bilinear", 5, 5, (32, 48), 2),
    }


def test_each_place_that_is_left_alone_says_why():
    places = find_places(ToyNet(), example=torch.randn(2, 3, 16, 24))
    assert {p.name: p.skip_reason for p in places if p.skip_reason} == {
        "place": "it does not depend on the model's input",
        "self:2": "no parameter comes after it, as after logits",
    }
    assert [p.name for p in places if not p.skip_reason] == PLACE_NAMES


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (lambda x: interpolate(x, scale_factor=2), "it resizes the model's input"),
        (lambda x: interpolate(x.relu() - 0.5, scale_factor=2), "it resizes the model's input"),
        (lambda x: interpolate(x[:, :1], scale_factor=2), "it has one channel"),
        (lambda x: interpolate(x, size=(10, 9)), "it enlarges by less than 1.5"),
        (lambda x: interpolate(x[..., :1, :1], scale_factor=2), "its input has only one pixel"),
        (lambda x: interpolate(x.to(torch.uint8), scale_factor=2), "not floating-point numbers"),
    ],
)
def test_what_is_no_feature_map_is_left_alone(first, why):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = x if "model's input" in why else self.before(x)
            return self.after(first(x).float().expand(-1, 3, -1, -1))

    (place,) = find_places(Odd(), example=torch.randn(2, 3, 8, 8))
    assert why in place.skip_reason


def test_what_does_not_enlarge_or_is_no_map_is_no_place():
    class None_(nn.Conv2d):
        def forward(self, x):
            x = interpolate(interpolate(super().forward(x), size=(8, 8)), size=(3, 4))
            return interpolate(x.flatten(2), scale_factor=2)

    assert find_places(None_(3, 3, 1), example=torch.randn(2, 3, 8, 8)) == []


def test_the_guide_is_the_nearest_tensor_of_the_output_size():
    places = find_places(ToyNet(), example=torch.randn(2, 3, 16, 24))
    guides = {p.name: str(p.guide_candidates[0]) for p in places if not p.skip_reason}
    assert guides == {
        "block": "argument skip of block",
        "deconv": "argument 0 of self",
        "refine.0": "argument 0 of self",
        "self:0": "argument 0 of self",
        "self:1": "argument 0 of self",
    }
    assert str(places[2].guide_candidates[1]) == "output of stem"


def test_a_scale_is_rounded_along_the_axis_that_grows_more():
    class Odd(nn.Sequential):
        def forward(self, x):
            return self[1](interpolate(self[0](x), size=(25, 14)))

    (place,) = find_places(
        Odd(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)), example=torch.randn(1, 3, 13, 13)
    )
    assert place.scale == 2


def test_a_module_that_runs_twice_is_one_place_for_each_number_of_channels():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.Upsample(scale_factor=2)
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            x = self.up(self.second(self.up(self.first(x))))
            return self.second(self.up(self.second(x[:, :4])))

    places = find_places(Shared(), example=torch.randn(1, 3, 4, 4))
    assert [(p.name, p.out_channels) for p in places] == [("up", 4)]


@pytest.mark.parametrize("breaks", [False, True])
def test_the_dry_forward_leaves_no_trace(breaks):
    class Noisy(ToyNet):
        def forward(self, image):
            self.seen += torch.rand(1)
            out = super().forward(image)
            if breaks:
                raise KeyError("half way")
            return out

    model = Noisy()
    model.register_buffer("seen", torch.zeros(1))
    model.block.eval()
    model.deconv.forward = by_hand = model.deconv.forward
    before, state = fingerprint(model), {k: v.clone() for k, v in model.state_dict().items()}
    example = torch.randn(2, 3, 16, 16)
    random = torch.random.get_rng_state()
    if breaks:
        with pytest.raises(KeyError, match="half way"):
            find_places(model, example=example)
    else:
        find_places(model, example=example)
    assert fingerprint(model) == before
    assert vars(model.deconv)["forward"] is by_hand
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert torch._C._len_torch_function_stack() == 0


def test_places_print_as_a_table():
    lines = str(find_places(ToyNet(), example=torch.randn(2, 3, 16, 16))).splitlines()
    assert lines[0].split() == ["place", "now", "channels", "size", "becomes"]
    assert lines[2].split() == [
        *("deconv", "deconvolution", "8", "->", "6", "8", "x", "8", "->", "16", "x", "16"),
        *("scale", "2,", "guide:", "argument", "0", "of", "self"),
    ]
    assert "left alone: no parameter comes after it" in lines[-1]


def test_many_calls_that_are_left_alone_alike_share_a_row():
    class Paste(nn.Conv2d):
        def forward(self, x):
            return [interpolate(mask[None], size=(9, 9)) for mask in super().forward(x)]

    places = find_places(Paste(3, 1, 1), example=torch.randn(5, 3, 4, 4))
    assert len(places) == 5
    _, row = str(places).splitlines()
    assert row.startswith("self:0 to 4 ")


def test_an_example_is_asked_for():
    with pytest.raises(ValueError, match="example must be an input of the model"):
        find_places(ToyNet())


class TwoInputs(nn.Module):
    """Needs both arguments; the second may only be given by its name."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, image, *, gain):
        return self.after(interpolate(gain * self.before(image), scale_factor=2))


@pytest.mark.parametrize("wrap", [dict, UserDict])
def test_an_example_of_keyword_arguments(wrap):
    example = wrap(image=torch.randn(1, 3, 4, 6), gain=torch.tensor(2.0))
    (place,) = find_places(TwoInputs(), example=example)
    assert (place.name, place.skip_reason) == ("self", "")


def test_what_a_keyword_holds_is_the_models_input():
    class Resizes(nn.Module):
        def __init__(self):
            super().__init__()
            self.after = nn.Conv2d(3, 4, 1)

        def forward(self, *, image):
            return self.after(interpolate(image, scale_factor=2))

    (place,) = find_places(Resizes(), example={"image": torch.randn(1, 3, 4, 6)})
    assert place.skip_reason == "it resizes the model's input"


def test_a_dict_as_the_only_argument_stands_in_a_tuple():
    class Batch(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, batch):
            return self.after(interpolate(self.before(batch["image"]), scale_factor=2))

    (place,) = find_places(Batch(), example=({"image": torch.randn(1, 3, 4, 6)},))
    assert place.name == "self"
