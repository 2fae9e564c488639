"""A swapped model is the same model with other upsamplers; unswapped, it is the same model."""

import copy
import functools
import inspect
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from tests.swapping.custom_upsamplers import CustomGuidedUpsampler, CustomUpsampler
from tests.swapping.toy_networks import PLACE_NAMES, DecoderBlock, ToyNet
from unstride import find_places, swap, unswap
from unstride.upsamplers import Upsampler


@pytest.fixture
def x():
    return torch.randn(2, 3, 16, 16)


def swapped(x, upsampler=CustomUpsampler, **options):
    return swap(ToyNet(), upsampler, example=x, **options)


def became(model):
    return {p.name: p.upsampler_name for p in find_places(model) if p.upsampler_name}


def new(model):
    return {n: p for n, p in model.named_parameters() if "unstride_up." in n}


def test_every_place_gets_an_upsampler_of_its_own(x):
    model = ToyNet()
    assert swap(model, CustomUpsampler, example=x) is model
    assert became(model) == {
        **dict.fromkeys(PLACE_NAMES, "CustomUpsampler"),
        "deconv": "CustomUpsampler and a 1 x 1 convolution",
    }
    held = [m for m in model.modules() if isinstance(m, CustomUpsampler)]
    assert len(held) == 5
    assert sorted(m.scale for m in held) == [2, 2, 2, 2, 4]
    assert model(x)["logits"].shape == (2, 5, 32, 32)


def test_the_upsamplers_are_what_runs(x):
    model = swapped(x).eval()
    seen = []
    for module in model.modules():
        if isinstance(module, CustomUpsampler):
            module.register_forward_hook(lambda m, i, out: seen.append(tuple(out.shape[1:])))
    before = model(x)["logits"]
    assert seen == [(8, 8, 8), (8, 16, 16), (8, 16, 16), (8, 16, 16), (8, 16, 16)]
    for name, p in new(model).items():
        with torch.no_grad():
            p.add_(torch.randn_like(p))
        assert not torch.equal(model(x)["logits"], before), name
        before = model(x)["logits"]


@pytest.mark.parametrize("size", [(16, 16), (20, 28)])
def test_the_model_s_own_interpolation_put_in_its_place_changes_nothing(size, x):
    model = ToyNet().eval()
    image = torch.randn(1, 3, *size)
    exact = model(image)["logits"]
    swap(model, "nearest", example=x, only="block")
    torch.testing.assert_close(model(image)["logits"], exact, rtol=0, atol=0)
    unswap(model)
    swap(model, "bilinear", example=x, only=["refine.*", "self:*"])
    assert set(became(model)) == {"refine.0", "self:0", "self:1"}
    torch.testing.assert_close(model(image)["logits"], exact)
    unswap(model)
    assert (swap(model, "nearest", example=x)(image)["logits"] - exact).abs().max() > 1e-3


def test_one_training_step_reaches_every_new_parameter(x):
    model = swapped(x).double().train()
    model(x.double())["logits"].square().mean().backward()
    gradients = {
        name: 0 if p.grad is None else p.grad.abs().max() for name, p in model.named_parameters()
    }
    # In double precision rounding stays below 1e-12: sums of at most 1e4 products of order one.
    # A norm takes away what a bias before it adds: the true gradient of that bias is zero.
    unreached = {n for n, size in gradients.items() if size < 1e-12}
    assert unreached == {"deconv.weight", "deconv.bias", "block.conv.bias"}


def test_other_sizes_and_batches_just_work(x):
    model = swapped(x)
    for size in ((1, 3, 16, 16), (3, 3, 20, 36), (2, 3, 8, 12)):
        assert model(torch.randn(size))["logits"].shape[2:] == (2 * size[2], 2 * size[3])


def test_a_module_that_only_interpolates_at_other_sizes_shifts_no_place(x):
    model = swapped(x, "bilinear", only="self:1").eval()
    other = torch.randn(1, 3, 24, 32)  # here the table is interpolated as well
    exact = unswap(copy.deepcopy(model))(other)["logits"]
    torch.testing.assert_close(model(other)["logits"], exact)


def test_old_checkpoints_load_strictly_and_new_ones_round_trip(x):
    old = ToyNet().state_dict()
    model = swapped(x).eval()
    before = {n: p.detach().clone() for n, p in new(model).items()}
    assert set(old) == set(model.state_dict()) - set(before)
    model.load_state_dict(old)
    assert all(torch.equal(v, old[k]) for k, v in model.state_dict().items() if k in old)
    assert all(torch.equal(p, before[n]) for n, p in new(model).items())
    nn.Sequential(model).load_state_dict({f"0.{k}": v for k, v in old.items()})
    other = swapped(x).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x)["logits"], model(x)["logits"])


def test_a_checkpoint_with_some_of_the_new_parameters_must_have_all(x):
    model = swapped(x)
    state = model.state_dict()
    del state["block.unstride_up.0.encode.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*block\.unstride_up\.0\.encode\.weight"):
        model.load_state_dict(state)


def test_unswapped_it_is_as_before_bit_for_bit(x):
    model = ToyNet()
    model.block.eval()
    model.deconv.bias.requires_grad_(False)

    def all_of_it():
        return [
            (path, type(m), m.training, list(vars(m)), list(m._modules), len(m._forward_hooks))
            for path, m in model.named_modules()
        ] + [(n, p.requires_grad, id(p)) for n, p in model.named_parameters()]

    before, state = all_of_it(), copy.deepcopy(model.state_dict())
    swap(model, CustomUpsampler, example=x)
    assert all_of_it() != before
    assert not model.deconv.weight.requires_grad
    assert unswap(model) is model
    assert all_of_it() == before
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("upsampler", [CustomUpsampler, CustomGuidedUpsampler])
def test_copies_are_swapped_models_too(again, upsampler, x):
    model = swapped(x, upsampler).eval()
    copied = again(model)
    assert torch.equal(copied(x)["logits"], model(x)["logits"])
    assert isinstance(copied, ToyNet)
    assert became(copied) == became(model)
    for p in new(model).values():
        with torch.no_grad():
            p.add_(torch.randn_like(p))
    assert not torch.equal(copied(x)["logits"], model(x)["logits"])
    assert type(unswap(copied)) is ToyNet


def test_autocast(x):
    model = swapped(x, CustomGuidedUpsampler).eval()
    exact = model(x)["logits"]
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)["logits"]
    assert out.dtype == torch.bfloat16
    assert (out.float() - exact).abs().max() < 0.1 * exact.abs().max()


def test_upsamplers_take_the_model_s_type_and_mode(x):
    model = swap(ToyNet().double().eval(), CustomUpsampler, example=x.double())
    assert {p.dtype for p in new(model).values()} == {torch.float64}
    assert not any(m.training for m in model.modules())


@pytest.mark.parametrize("upsampler", [CustomUpsampler, CustomGuidedUpsampler])
def test_it_compiles_whole(upsampler, x):
    model = swapped(x, upsampler).eval()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-5)


def test_it_compiles_once_for_all_sizes(x):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 1))
    swap(model, "bilinear", example=x)
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=True)
    first, other = torch.randn(2, 3, 16, 20), torch.randn(3, 3, 24, 12)
    torch.testing.assert_close(compiled(first), model(first))
    with torch.compiler.set_stance("fail_on_recompile"):
        torch.testing.assert_close(compiled(other), model(other))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.filterwarnings("ignore:While compiling, we found certain side effects:UserWarning")
def test_it_exports(strict, x):
    model = swapped(x, CustomGuidedUpsampler).eval()
    program = torch.export.export(model, (x,), strict=strict)
    torch.testing.assert_close(program.module()(x), model(x), rtol=1e-4, atol=1e-5)


def test_the_guide_is_the_model_s_skip(x):
    model = swapped(x, CustomGuidedUpsampler).eval()
    seen, skips = {}, {}
    model.block.register_forward_pre_hook(
        lambda m, args, kwargs: skips.update(block=kwargs["skip"]), with_kwargs=True
    )
    for path, module in model.named_modules():
        if isinstance(module, CustomGuidedUpsampler):
            module.register_forward_pre_hook(lambda m, args, path=path: seen.update({path: args}))
    model(x)
    assert seen["block.unstride_up.0"][1] is skips["block"]
    assert seen["refine.0.unstride_up.0"][1] is x
    assert seen["deconv.unstride_up.0"][1] is x
    assert {p.name: p.guide.channels for p in find_places(model) if p.guide} == {
        **dict.fromkeys(PLACE_NAMES, 3),
        "block": 8,
    }


def test_the_guide_may_be_what_another_module_returned(x):
    def make(channels, scale, *, guide_channels):
        if guide_channels != 6:
            raise ValueError(f"guide_channels must be 6, got {guide_channels}")
        return CustomGuidedUpsampler(channels, scale, guide_channels=guide_channels)

    model = swapped(x, make, only=["self:0", "deconv"]).eval()
    seen, outs = [], []
    for module in model.modules():
        if isinstance(module, CustomGuidedUpsampler):
            module.register_forward_pre_hook(lambda m, args: seen.append(args[1]))
    for module in (model.stem, model.refine):
        module.register_forward_hook(lambda m, i, out: outs.append(out))
    model(x)
    assert [guide is out for guide, out in zip(seen, outs, strict=True)] == [True, True]


def test_a_place_without_a_fitting_guide_is_left_alone(x):
    def make(channels, scale, *, guide_channels):
        if guide_channels != channels:
            raise ValueError("guide_channels must be as many as channels")
        return CustomGuidedUpsampler(channels, scale, guide_channels=guide_channels)

    model = swapped(x, make)
    assert set(became(model)) == {"block"}
    reasons = {p.name: p.skip_reason for p in find_places(model)}
    assert reasons["self:0"] == "no guide fits: guide_channels must be as many as channels"
    with pytest.raises(ValueError, match="only must match places that can be swapped, got self:0"):
        swapped(x, make, only="self:0")


def test_threads_do_not_meet(x):
    """Each forward has its own scopes: two at once get their own guides and their own places."""
    model = swapped(x, CustomGuidedUpsampler).eval()
    images = [torch.randn(2, 3, 16, 16) for _ in range(4)]
    exact = [model(image)["logits"] for image in images]
    wrong = []
    barrier = threading.Barrier(4)
    hook = model.block.register_forward_pre_hook(lambda m, args: (barrier.wait(20), args)[1])

    def work(i):
        with torch.no_grad():
            if not torch.allclose(model(images[i])["logits"], exact[i], atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hook.remove()
    assert wrong == []


def test_an_exception_in_a_forward_leaves_no_scope(x):
    model = swapped(x).eval()
    exact = model(x)["logits"]
    hook = model.block.norm.register_forward_hook(lambda m, i, o: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(x)
    hook.remove()
    assert torch._C._len_torch_function_stack() == 0
    assert torch.equal(model(x)["logits"], exact)


def test_names_and_patterns_choose_the_places(x):
    assert set(became(swapped(x, only="self:*"))) == {"self:0", "self:1"}
    assert set(became(swapped(x, skip=["self:*", "deconv"]))) == {"block", "refine.0"}
    assert set(became(swapped(x, only=["block", "self:?"], skip="self:0"))) == {"block", "self:1"}
    reasons = {p.name: p.skip_reason for p in find_places(swapped(x, only="block"))}
    assert reasons["deconv"] == "not selected"
    with pytest.raises(
        ValueError, match=r"skip must match one of the places block, .*, got 'blocks'"
    ):
        swapped(x, skip="blocks")


def test_a_place_that_is_named_is_swapped_though_it_would_be_left_alone(x):
    assert "self:2" in became(swapped(x, only="self:2"))
    assert "self:2" not in became(swapped(x, only="self:*"))


def test_a_name_and_its_options_make_the_upsampler(x):
    model = swapped(x, "joint_bilateral", kernel_size=3, only="block")
    (up,) = model.block.unstride_up
    assert (up.kernel_size, up.guide_channels) == (3, 8)
    (up,) = swapped(
        x, functools.partial(CustomUpsampler, kernel_size=5), only="block"
    ).block.unstride_up
    assert up.kernel_size == 5
    with pytest.raises(ValueError, match=r"upsampler must be one of nearest, .*, got 'none'"):
        swapped(x, "none")


def test_a_failure_changes_nothing(x):
    class Bad(Upsampler):
        def __init__(self, channels, scale):
            super().__init__(channels, scale)
            if scale == 4:
                raise ValueError("scale must not be 4")

    model = ToyNet()
    with pytest.raises(ValueError, match="upsampler must fit self:1: scale must not be 4"):
        swap(model, Bad, example=x)
    assert all(type(m).__bases__ != () and "_unstride" not in vars(m) for m in model.modules())
    assert not new(model)
    swap(model, CustomUpsampler, example=x)


def test_a_model_is_swapped_once(x):
    model = swapped(x)
    with pytest.raises(ValueError, match="model must not be swapped already"):
        swap(model, CustomUpsampler, example=x)
    with pytest.raises(ValueError, match="model must not be swapped already"):
        swap(nn.Sequential(model), CustomUpsampler, example=x)
    with pytest.raises(ValueError, match="model must be the whole model"):
        unswap(ToyNet())
    with pytest.raises(ValueError, match="model must be the whole model"):
        unswap(model.block)


def test_a_model_that_upsamples_nowhere_is_refused(x):
    with pytest.raises(
        ValueError, match=r"model must have a place that can be swapped, found none$"
    ):
        swap(nn.Conv2d(3, 3, 1), CustomUpsampler, example=x)
    with pytest.raises(ValueError, match="found none; 1: no parameter comes after it"):
        swap(
            nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=2)),
            CustomUpsampler,
            example=x,
        )


def test_a_forward_set_by_hand_is_refused(x):
    model = ToyNet()
    model.block.forward = model.block.forward
    with pytest.raises(ValueError, match="model must not have a replaced forward, block has one"):
        swap(model, CustomUpsampler, example=x)
    assert not new(model)


def test_more_places_than_the_example_showed_are_refused():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x, times=2):
            x = self.conv(x)
            for _ in range(times):
                x = interpolate(x, scale_factor=2)
            return self.conv(x)

    model = swap(Loop(), CustomUpsampler, example=torch.randn(1, 3, 4, 4))
    assert model(torch.randn(1, 3, 4, 4), times=1).shape[2:] == (8, 8)
    with pytest.raises(ValueError, match="self enlarges maps of 3 channels in more places than"):
        model(torch.randn(1, 3, 4, 4), times=3)


def test_a_module_that_runs_several_times_shares_its_upsampler():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.conv = DecoderBlock(4, 4), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            once = self.block(self.conv(x), skip=self.conv(x.repeat(1, 1, 2, 2)))
            return self.block(once, skip=self.conv(x.repeat(1, 1, 4, 4)))

    image = torch.randn(1, 3, 4, 4)
    model = Twice().eval()
    exact = model(image)
    assert len(swap(model, CustomGuidedUpsampler, example=image).block.unstride_up) == 1
    assert model(image).shape == exact.shape
    unswap(model)
    torch.testing.assert_close(swap(model, "nearest", example=image)(image), exact)


def test_the_class_keeps_its_name_and_the_forward_its_signature(x):
    model = swapped(x)
    assert type(model).__name__ == "ToyNet"
    assert list(inspect.signature(model.forward).parameters) == ["image"]
    assert list(inspect.signature(model.block.forward).parameters) == ["x", "skip"]


class Steps(nn.Module):
    """A convolution, some steps, a convolution."""

    def __init__(self, step):
        super().__init__()
        self.before, self.step, self.after = nn.Conv2d(3, 4, 1), step, nn.Conv2d(4, 4, 1)

    def forward(self, image, *others):
        return self.after(self.step(self.before(image), *others))


def test_a_layer_that_the_example_did_not_show_is_no_call_of_the_module_around_it(x):
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.Upsample(scale_factor=2)

        def forward(self, x):
            return interpolate(self.up(x) if x.shape[2] == 8 else x, scale_factor=2)

    model = swap(Steps(Around()), CustomUpsampler, example=x).eval()
    seen = []
    model.step.unstride_up[0].register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    model(x[..., :8, :8])
    assert [tuple(features.shape) for features in seen] == [(2, 4, 16, 16)]


def test_a_resizing_that_only_other_sizes_need_shifts_no_place(x):
    class Fusion(nn.Module):
        def forward(self, x, skip):
            if skip.shape[2:] != x.shape[2:]:
                skip = interpolate(skip, size=x.shape[2:], mode="bilinear", align_corners=False)
            size = x.shape[2] * 2, x.shape[3] * 2
            return interpolate(x + skip, size=size, mode="bilinear", align_corners=True)

    model = swap(Steps(Fusion()), CustomUpsampler, example=(x, torch.randn(2, 4, 16, 16))).eval()
    seen = []
    model.step.unstride_up[0].register_forward_pre_hook(lambda m, args: seen.append(args[2]))
    model(x, torch.randn(2, 4, 14, 14))
    assert seen == [(32, 32)]


def test_a_guide_describes_the_same_images(x):
    class Add(nn.Module):
        def forward(self, x, one, each):
            return interpolate(x, scale_factor=2) + one + each

    one, each = torch.randn(1, 4, 32, 32), torch.randn(2, 4, 32, 32)
    model = swap(Steps(Add()), CustomGuidedUpsampler, example=(x, one, each)).eval()
    seen = []
    model.step.unstride_up[0].register_forward_pre_hook(lambda m, args: seen.append(args[1]))
    model(x, one, each)
    assert len(seen) == 1
    assert seen[0] is each


def test_a_guide_is_at_hand_in_every_run_of_its_module(x):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = Maybe()

        def forward(self, x, skip):
            return self.up(self.up(x, skip))

    class Maybe(nn.Module):
        def forward(self, x, skip=None):
            x = interpolate(x, scale_factor=2)
            return x if skip is None else x + skip

    with pytest.raises(
        ValueError, match=r"found none; step\.up: no guide of 32 x 32 pixels is ava"
    ):
        swap(Steps(Twice()), CustomGuidedUpsampler, example=(x, torch.randn(2, 4, 32, 32)))


def test_what_is_returned_has_the_features_type(x):
    class Single(CustomUpsampler):
        def forward(self, features, guide=None, size=None):
            return super().forward(features, guide, size).float()

    model = swap(ToyNet().double(), Single, example=x.double())
    assert model(x.double())["logits"].dtype == torch.float64
