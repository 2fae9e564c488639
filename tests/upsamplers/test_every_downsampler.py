"""The contract: what every downsampler promises, a user's own class, and every pair."""

import pytest
import torch

from unstride import create_downsampler, create_pair, export_onnx, list_downsamplers
from unstride.upsamplers import Downsampler

BORDER_IS_ZERO = {"carafe_down", "a2u_down"}  # features beyond the border count as zero
VARIANTS = {
    "carafe_down groups": ("carafe_down", {"groups": 4, "kernel_size": 3}),
    "a2u_down static": ("a2u_down", {"dynamic": False, "rank": 2, "sharing": "unshared"}),
    "index_down holistic": ("index_down", {"kind": "holistic", "context": False}),
    "attention_pool wide": ("attention_pool", {"kernel_size": 5, "blur": False}),
}


class First(Downsampler):
    """Weights are convex: all of it goes to the first pixel of a cell. Somebody's own."""

    def predict_weights(self, features, size):
        """One for the first tap."""
        weights = torch.zeros(len(features), 1, self.scale, self.scale, *size).to(features)
        weights[:, :, -1, -1] = 1
        return weights


def build(name):
    if name == "first":
        return First(8, 2).eval()
    name, options = VARIANTS.get(name, (name, {}))
    down = create_downsampler(name, 8, **options).eval()
    for p in down.parameters():  # they start almost uniform; random parameters show more
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)
    return down


NAMES = [*list_downsamplers(), *VARIANTS, "first"]
every = pytest.mark.parametrize("name", NAMES)


@every
@pytest.mark.parametrize("grid", [(10, 14), (9, 13)], ids=str)
@pytest.mark.parametrize("size", [None, (4, 3), (3, 7)], ids=str)
def test_any_size(name, grid, size):
    down = build(name)
    out = down(torch.randn(2, 8, *grid), size)
    assert out.shape == (2, 8, *(size or (5, 7)))
    assert out.isfinite().all()


@every
def test_weights_are_convex(name):
    features = torch.rand(2, 8, 16, 20) - 0.5
    down = build(name)
    assert "convex" in (down.__doc__ or "").splitlines()[0]
    ones, out = down(torch.ones_like(features)), down(features)
    low, high = features.amin((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
    if name.split()[0] in BORDER_IS_ZERO:
        assert (ones[..., 0, 0] < 0.95).all()
        low, high, ones = low.clamp(max=0), high.clamp(min=0), ones[..., 2:-2, 2:-2]
    torch.testing.assert_close(ones, torch.ones_like(ones))
    assert (out <= high + 1e-6).all()
    assert (out >= low - 1e-6).all()


@every
def test_images_of_a_batch_do_not_meet_and_evaluation_is_deterministic(name):
    features, down = torch.randn(3, 8, 10, 14), build(name)
    out = down(features)
    torch.testing.assert_close(down(features[1:]), out[1:])
    assert torch.equal(down(features), out)


@every
def test_both_layouts_agree_and_gradients_reach_everything(name):
    features, down = torch.randn(2, 8, 10, 14, requires_grad=True), build(name).train()
    for module in down.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    torch.manual_seed(1)
    out = down(features)
    torch.manual_seed(1)
    last = features.detach().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(down(last), out, rtol=1e-4, atol=1e-5)
    out.square().sum().backward()
    assert features.grad.abs().sum() > 0
    assert not [n for n, p in down.named_parameters() if p.grad is None]


@every
def test_autocast(name):
    features, down = torch.randn(1, 8, 10, 14), build(name)
    with torch.autocast("cpu", torch.bfloat16):
        out = down(features)
    tolerance = 0.1 * features.abs().max() if name != "max_pool" else 0.02
    assert (out.float() - down(features)).abs().max() < tolerance


@every
def test_compiles_whole(name):
    features, down = torch.randn(1, 8, 10, 14), build(name)
    torch._dynamo.reset()
    compiled = torch.compile(down, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(features), down(features), rtol=1e-4, atol=1e-5)


class Together(torch.nn.Module):
    """All downsamplers of the same features."""

    def __init__(self):
        super().__init__()
        self.downs = torch.nn.ModuleList(build(name) for name in NAMES)

    def forward(self, features):
        return [down(features) for down in self.downs]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
def test_onnx_gives_the_same_numbers(tmp_path):
    """Of all in one graph: most of the time of an export is the same for one and for all."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    features, model = torch.randn(1, 8, 10, 14), Together()
    export_onnx(model, (features,), tmp_path / "down.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "down.onnx", providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {session.get_inputs()[0].name: features.numpy()})
    for name, actual, exact in zip(NAMES, found, model(features), strict=True):
        torch.testing.assert_close(
            torch.from_numpy(actual), exact, rtol=1e-4, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


@every
def test_state_dict_makes_the_round_trip(name):
    features, down, other = torch.randn(1, 8, 10, 14), build(name), build(name)
    other.load_state_dict(down.state_dict())
    assert torch.equal(other(features), down(features))


@pytest.mark.parametrize("down", list_downsamplers())
@pytest.mark.parametrize("up", ["bilinear", "carafe", "a2u", "index", "max_unpool", "sapa"])
def test_any_pair_comes_back_to_its_size_and_trains(down, up):
    pair, fine = create_pair(down, up, 8), torch.randn(2, 8, 9, 14)
    body = torch.nn.Conv2d(8, 8, 1)
    out = pair(fine, body)
    assert out.shape == fine.shape
    out.square().sum().backward()
    assert body.weight.grad.abs().sum() > 0
    assert not [n for n, p in pair.named_parameters() if p.grad is None]


def test_unknown_names_are_refused_with_the_known():
    with pytest.raises(ValueError, match=r"downsampler must be one of max_pool, .*, got 'none'"):
        create_downsampler("none", 3)
