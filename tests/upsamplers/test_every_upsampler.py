"""The contract: what every upsampler promises, and a user's own class too."""

import pytest
import torch

from unstride import create_upsampler, list_upsamplers
from unstride.ops.window import window_start
from unstride.upsamplers import Reassembly

CONVEX = {"nearest", "bilinear", "joint_bilateral", "featup_jbu", "naf", "anyup"}
READ_THE_FEATURES = {"anyup"}  # their weights depend on the features


class Box(Reassembly):
    """Weights are convex: the mean of a window. Somebody's own, written from the docs alone."""

    def predict_weights(self, features, guide, size):
        """One ninth each, but not beyond the border."""
        weights = torch.ones(len(features), 1, 3, 3, *size, dtype=features.dtype)
        for axis, n in enumerate(features.shape[2:]):
            taps = window_start(n, size[axis], 3)[:, None] + torch.arange(3)
            inside = ((taps >= 0) & (taps < n)).to(features).T
            weights = weights * (
                inside[:, None, :, None] if axis == 0 else inside[None, :, None, :]
            )
        return weights / weights.sum((2, 3), keepdim=True)


def built(name, channels=6, **options):
    if name == "box":
        return Box(channels, 2).eval()
    if name == "featup_jbu paper":
        return create_upsampler("featup_jbu", channels, 4, variant="paper", pretrained=False).eval()
    return create_upsampler(name, channels, 2, **options).eval()


NAMES = [*list_upsamplers(), "featup_jbu paper", "box"]
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def given():
    return torch.randn(2, 6, 5, 7), torch.rand(2, 3, 40, 56)


@every
@pytest.mark.parametrize("size", [None, (10, 14), (40, 56), (33, 29), (5, 7), (3, 4)], ids=str)
def test_any_size(name, size, given):
    features, guide = given
    up = built(name)
    out = up(features, guide, size)
    assert out.shape == (2, 6, *(size or (5 * up.scale, 7 * up.scale)))
    assert out.isfinite().all()


@every
def test_weights_are_convex_where_they_say_so(name, given):
    features, guide = given
    up = built(name)
    law = type(up).__doc__.splitlines()[0]
    out = up(features, guide, (23, 31))
    if name in CONVEX | {"box"}:
        assert "convex" in law
        assert "not convex" not in law
        torch.testing.assert_close(
            up(torch.ones_like(features), guide, (23, 31)), torch.ones_like(out)
        )
        assert (out <= features.amax((2, 3), keepdim=True) + 1e-5).all()
        assert (out >= features.amin((2, 3), keepdim=True) - 1e-5).all()
    else:
        assert "not convex" in law


@every
def test_it_is_linear_in_the_features(name, given):
    if name in READ_THE_FEATURES:
        pytest.skip("its weights depend on the features")
    features, guide = given
    up = built(name)
    other = torch.randn_like(features)
    zero = up(torch.zeros_like(features), guide)  # the paper's variant has a bias
    sum_first = up(2 * features + other, guide) - zero
    torch.testing.assert_close(
        sum_first, 2 * (up(features, guide) - zero) + up(other, guide) - zero, rtol=1e-4, atol=1e-4
    )


@every
def test_images_of_a_batch_do_not_meet_and_evaluation_is_deterministic(name, given):
    features, guide = given
    up = built(name)
    out = up(features, guide, (20, 28))
    torch.testing.assert_close(up(features[1:], guide[1:], (20, 28)), out[1:])
    assert torch.equal(up(features, guide, (20, 28)), out)


@every
def test_both_layouts_agree_and_gradients_reach_everything(name, given):
    features, guide = given
    up = built(name).train()
    for module in up.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.eval()
    features.requires_grad_()
    out = up(features, guide, (20, 28))
    last = features.detach().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(up(last, guide, (20, 28)), out, rtol=1e-4, atol=1e-5)
    out.square().sum().backward()
    assert features.grad.abs().sum() > 0
    if isinstance(up, (Box,)):
        return
    used = {n for n, p in up.named_parameters() if p.grad is not None}
    assert used >= {n for n, _ in up.named_parameters() if not n.startswith("fine.")}


@every
def test_autocast(name, given):
    features, guide = given
    up = built(name)
    with torch.autocast("cpu", torch.bfloat16):
        out = up(features, guide)
    assert (out.float() - up(features, guide)).abs().max() < 0.3


@every
def test_compiles_whole(name, given):
    features, guide = given
    up = built(name)
    compiled = torch.compile(up, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        compiled(features, guide, (20, 28)), up(features, guide, (20, 28)), rtol=1e-4, atol=1e-5
    )


@every
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
def test_onnx_gives_the_same_numbers(name, given, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    import unstride

    if name in ("featup_jbu", "featup_jbu paper", "naf"):
        pytest.skip("hundreds of taps written out take minutes to export; the ops are tested alone")
    features, guide = given
    up = built(name)
    unstride.export_onnx(up, (features, guide), tmp_path / "up.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "up.onnx", providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    feeds = {n: t.numpy() for n, t in zip(names, (features, guide), strict=False)}
    (actual,) = session.run(None, feeds)
    torch.testing.assert_close(torch.from_numpy(actual), up(features, guide), rtol=1e-4, atol=1e-4)


@every
def test_state_dict_makes_the_round_trip(name, given):
    features, guide = given
    up, other = built(name), built(name)
    for p in up.parameters():
        torch.nn.init.normal_(p, std=0.1)
    other.load_state_dict(up.state_dict())
    assert torch.equal(other(features, guide), up(features, guide))


@pytest.mark.parametrize(
    "name", ["joint_bilateral", "featup_jbu", "featup_jbu paper", "naf", "anyup"]
)
def test_a_guided_upsampler_asks_for_its_guide(name, given):
    features, _ = given
    with pytest.raises(ValueError, match="guide must be given"):
        built(name)(features)
    with pytest.raises(ValueError, match=r"guide must be \(2, 3, height, width\)"):
        built(name)(features, torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize("name", ["joint_bilateral", "featup_jbu"])
def test_a_step_edge_in_the_guide_stays_within_a_pixel(name):
    """Coarse features that know left from right; the guide says where exactly."""
    guide = torch.zeros(1, 3, 64, 64)
    guide[..., 37:] = 1  # inside a coarse pixel
    features = torch.zeros(1, 1, 8, 8)
    features[..., 5:] = 1
    out = built(name, 1)(features, guide, (64, 64))[0, 0, 32]
    assert out[:36].max() < 0.5 < out[39:].min()


def test_unknown_names_are_refused_with_the_known():
    with pytest.raises(ValueError, match=r"one of nearest, .*, got 'none'"):
        create_upsampler("none", 3)
    with pytest.raises(ValueError, match="variant must be one of default, paper"):
        create_upsampler("featup_jbu", 3, variant="none")
    with pytest.raises(ValueError, match="size must be"):
        create_upsampler("nearest", 3)(torch.zeros(1, 3, 4, 4), size=(0, 3))
