"""The contract: what every upsampler promises, and a user's own class too."""

from dataclasses import replace

import pytest
import torch

from unstride import create_upsampler, list_upsamplers
from unstride.analysis.freeze import frozen_predictions
from unstride.ops.window import window_start
from unstride.tiling.tiles import Tiles
from unstride.upsamplers import Reassembly

CONVEX = {
    "nearest", "bilinear", "joint_bilateral", "featup_jbu", "dysample", "gum", "sapa", "naf",
    "anyup", "box", "carafe", "a2u", "fade ungated",
}  # fmt: skip
CONVEX_INSIDE = {"carafe published", "a2u published"}  # features beyond the border count as zero
# What the features say decides the weights, so the result is not linear in them.
READS_FEATURES = {
    "carafe", "carafe published", "spatial_attention", "a2u", "a2u published", "dysample", "gum",
    "sapa", "fade", "fade ungated", "anyup",
}  # fmt: skip
# A pixel depends on the whole map: a mean over it, a position in it, an offset without a bound.
# "box" is somebody's own class, which defines no halo.
UNBOUNDED = {"a2u", "a2u published", "dysample", "gum", "naf", "anyup", "box"}
VARIANTS = {
    "featup_jbu paper": ("featup_jbu", {"variant": "paper", "pretrained": False}),
    "carafe groups": ("carafe", {"groups": 4, "normaliser": "sigmoid_normalised"}),
    "a2u guided": ("a2u", {"guide_channels": 3, "sharing": "unshared", "rank": 2}),
    "a2u static": ("a2u", {"dynamic": False, "sharing": "semi-shared", "rank": 2}),
    "index holistic": ("index", {"guide_channels": 3, "kind": "holistic", "nonlinear": False}),
    "index one-to-one": ("index", {"kind": "one-to-one", "context": False}),
    "sapa gated": ("sapa", {"guide_channels": 3, "gated": True}),
    "fade ungated": ("fade", {"guide_channels": 3}),
    "dysample pl": ("dysample", {"style": "pl", "dynamic_scope": True, "groups": 2}),
    "carafe twice": ("carafe", {"stages": 2}),
    "carafe published": ("carafe", {"start": "published"}),
    "a2u published": ("a2u", {"start": "published"}),
}


def kind(name):
    """Which law holds for it."""
    is_its_own = name.endswith(" published") or name in ("fade ungated", "featup_jbu paper")
    return name if is_its_own else name.split()[0]


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


CHANNELS = 8


def build(name, channels=CHANNELS, scale=2, **options):
    if name == "box":
        return Box(channels, scale).eval()
    name, more = VARIANTS.get(name, (name, {}))
    scale = 4 if "variant" in more or "stages" in more else scale
    return create_upsampler(name, channels, scale, **more, **options).eval()


def randomise_weights(up):
    """Operators start almost uniform; random parameters show what they can do."""
    for p in up.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)
    return up


NAMES = [*list_upsamplers(), *VARIANTS, "box"]
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def inputs(name):
    channels = build(name).guide_channels or 3
    return torch.randn(2, CHANNELS, 5, 7), torch.rand(2, channels, 40, 56)


@every
@pytest.mark.parametrize("size", [None, (10, 14), (40, 56), (33, 29), (5, 7), (3, 4)], ids=str)
def test_any_size(name, size, inputs):
    features, guide = inputs
    up = build(name)
    out = up(features, guide, size)
    assert out.shape == (2, CHANNELS, *(size or (5 * up.scale, 7 * up.scale)))
    assert out.isfinite().all()


@every
def test_weights_are_convex_where_they_say_so(name, inputs):
    features, guide = inputs
    up = randomise_weights(build(name))
    law = type(up).__doc__.splitlines()[0]
    size = (23, 31)
    if "twice" in name:
        return  # a cascade's law is its stages'
    ones, out = up(torch.ones_like(features), guide, size), up(features, guide, size)
    if kind(name) in CONVEX | CONVEX_INSIDE:
        assert "convex" in law
        assert name == "fade ungated" or "not convex" not in law
        low, high = features.amin((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
        if kind(name) in CONVEX_INSIDE:
            low, high = low.clamp(max=0), high.clamp(min=0)
            assert (ones <= 1 + 1e-5).all()
            assert (ones[..., 0, 0] < 0.9).all()
            ones = ones[..., 10:13, 10:21]  # no window of these leaves the map
        torch.testing.assert_close(ones, torch.ones_like(ones))
        assert (out <= high + 1e-5).all()
        assert (out >= low - 1e-5).all()
    else:
        assert "not convex" in law


@every
def test_it_is_linear_in_the_features_unless_they_decide_the_weights(name, inputs):
    features, guide = inputs
    up = randomise_weights(build(name))
    other = torch.randn_like(features)
    zero = up(torch.zeros_like(features), guide)  # some have a bias
    sum_first = up(2 * features + other, guide) - zero
    sum_last = 2 * (up(features, guide) - zero) + up(other, guide) - zero
    if kind(name) in READS_FEATURES and name != "a2u guided":
        assert (sum_first - sum_last).abs().max() > 1e-3
    else:
        torch.testing.assert_close(sum_first, sum_last, rtol=1e-4, atol=1e-4)


@every
def test_frozen_predictions_leave_the_weights_as_gradient(name, inputs):
    """Nothing is lost: the frozen gradient, applied to the features, gives the pixel again."""
    features, guide = inputs
    up = randomise_weights(build(name))
    features.requires_grad_()
    with frozen_predictions(up):
        out = up(features, guide, (11, 15))
        (weights,) = torch.autograd.grad(out[0, 0, 4, 6], features)
        if kind(name) in CONVEX | CONVEX_INSIDE:
            assert (weights >= 0).all()
            assert weights.sum() < 1 + 1e-5
        rest = up(torch.zeros_like(features), guide, (11, 15))[0, 0, 4, 6]
    if kind(name) == "fade" or "conv" in name or name in ("pixel_shuffle", "featup_jbu paper"):
        return  # what remains without features is a bias, or depends on them
    torch.testing.assert_close((weights * features).sum() + 0 * rest, out[0, 0, 4, 6])
    assert not [n for m in up.modules() for n in vars(m) if n.startswith("predict_")]


@every
def test_images_of_a_batch_do_not_meet_and_evaluation_is_deterministic(name, inputs):
    features, guide = inputs
    up = build(name)
    out = up(features, guide, (20, 28))
    torch.testing.assert_close(up(features[1:], guide[1:], (20, 28)), out[1:])
    assert torch.equal(up(features, guide, (20, 28)), out)


@every
def test_both_layouts_agree_and_gradients_reach_everything(name, inputs):
    features, guide = inputs
    up = randomise_weights(build(name)).train()
    for module in up.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.eval()
    features.requires_grad_()
    out = up(features, guide, (20, 28))
    last = features.detach().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(up(last, guide, (20, 28)), out, rtol=1e-4, atol=1e-5)
    out.square().sum().backward()
    assert features.grad.abs().sum() > 0
    unused = {n for n, p in up.named_parameters() if p.grad is None}
    assert not {n for n in unused if not n.startswith("fine.")}


@every
def test_autocast(name, inputs):
    features, guide = inputs
    up = build(name)
    with torch.autocast("cpu", torch.bfloat16):
        out = up(features, guide)
    assert (out.float() - up(features, guide)).abs().max() < 0.3


@every
def test_compiles_whole(name, inputs):
    features, guide = inputs
    up = build(name)
    torch._dynamo.reset()
    compiled = torch.compile(up, fullgraph=True, backend="eager")
    torch.testing.assert_close(
        compiled(features, guide, (20, 28)), up(features, guide, (20, 28)), rtol=1e-4, atol=1e-5
    )


@every
@pytest.mark.parametrize("ratio", [(4, 1), (3, 2)], ids=["4", "3/2"])
def test_beyond_its_halo_it_sees_nothing(name, ratio):
    """In float64, where even a faint tap would show; a guide this fine is never enlarged."""
    grid = 46, 10
    size = grid[0] * ratio[0] // ratio[1], grid[1] * ratio[0] // ratio[1]
    up = randomise_weights(build(name)).double()
    guide_size = 4 * grid[0], 4 * grid[1]
    halo = up.halo(grid, size, guide_size)
    assert (halo is None) == (kind(name) in UNBOUNDED)
    if halo is None:
        return
    features = torch.randn(1, CHANNELS, *grid, dtype=torch.float64)
    guide = torch.rand(1, up.guide_channels or 3, *guide_size, dtype=torch.float64)
    whole = up(features, guide, size)
    tiles = Tiles(up, features, guide, size)
    tiles.axes = [replace(axis, halo=halo) for axis in tiles.axes]
    tiles.tile_counts = 23, 2
    for piece in tiles:
        # Coordinates up to 46 err by 46 eps, times slopes of some tens: far below any tap.
        torch.testing.assert_close(
            piece.features, whole[:, :, piece.rows, piece.columns], rtol=0, atol=1e-11
        )


class Together(torch.nn.Module):
    """Several upsamplers of the same features."""

    def __init__(self, names, scale):
        super().__init__()
        self.ups = torch.nn.ModuleList(build(name, 4 * scale, scale) for name in names)
        for up in self.ups:
            up.rounds = min(getattr(up, "rounds", 2), 2)  # of featup_jbu: rounds are all alike
            if hasattr(up, "projection"):  # a2u's logits, which begin close to zero
                torch.nn.init.normal_(getattr(up.projection.p, "weight", up.projection.p))

    def forward(self, features, guides):
        return [up(features, guides[str(up.guide_channels or 3)]) for up in self.ups]


LARGE_GRAPHS = ("naf", "anyup", "featup_jbu")  # the paper's variant has the default one's graph
EXPORTED = [
    [n for n in NAMES if n not in (*LARGE_GRAPHS, "featup_jbu paper")],
    [LARGE_GRAPHS[0]],
    *(pytest.param([n], marks=pytest.mark.long) for n in LARGE_GRAPHS[1:]),
]


@pytest.mark.parametrize("scale", [2, pytest.param(4, marks=pytest.mark.long)])
@pytest.mark.parametrize("names", EXPORTED, ids=lambda names: names[0])
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
def test_onnx_is_right_at_any_size(names, scale, tmp_path):
    """Small graphs are exported together: most of the time is the same for one and for all."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    import unstride

    model = Together(names, scale)
    channels = sorted({up.guide_channels or 3 for up in model.ups})

    def inputs(h, w):
        guides = {str(n): torch.rand(2, n, scale * h, scale * w) for n in channels}
        return torch.randn(2, 4 * scale, h, w), guides

    free = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    unstride.export_onnx(
        model, inputs(17, 11), tmp_path / "up.onnx", (free, {str(n): free for n in channels})
    )
    session = onnxruntime.InferenceSession(tmp_path / "up.onnx", providers=["CPUExecutionProvider"])
    for size in ((17, 11), (9, 14), (10, 21)):
        features, guides = inputs(*size)
        feeds = {
            i.name: (
                features if i.name == "features" else guides[i.name.rpartition("_")[2]]
            ).numpy()
            for i in session.get_inputs()
        }
        doubles = {n: g.double() for n, g in guides.items()}
        expected = model.double()(features.double(), doubles)
        model.float()
        for name, actual, exact in zip(names, session.run(None, feeds), expected, strict=True):
            torch.testing.assert_close(
                torch.from_numpy(actual).double(), exact, rtol=1e-4, atol=1e-4,
                msg=lambda m, n=name, s=size: f"{n} at {s}: {m}",
            )  # fmt: skip


def test_onnx_of_a_size_that_the_operator_fixes_is_refused(tmp_path):
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    import unstride

    free = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    features, image = torch.randn(1, CHANNELS, 5, 7), torch.rand(1, 3, 10, 14)
    with pytest.raises(ValueError, match=r"dynamic_shapes must .*: inputs are \{'features': "):
        unstride.export_onnx(build("naf"), (features, image), tmp_path / "up.onnx", (free, free))
    assert not (tmp_path / "up.onnx").exists()


@every
def test_state_dict_makes_the_round_trip(name, inputs):
    features, guide = inputs
    up, other = build(name), build(name)
    for p in up.parameters():
        torch.nn.init.normal_(p, std=0.1)
    other.load_state_dict(up.state_dict())
    assert torch.equal(other(features, guide), up(features, guide))


@every
def test_a_guided_upsampler_asks_for_its_guide_and_the_others_ignore_it(name, inputs):
    features, guide = inputs
    up = build(name)
    if up.guide_channels is None:
        assert torch.equal(up(features, guide), up(features))
        return
    with pytest.raises(ValueError, match="guide must be given"):
        up(features)
    with pytest.raises(ValueError, match=rf"guide must be \(2, {up.guide_channels}, height, width"):
        up(features, torch.rand(2, up.guide_channels + 1, 8, 8))


@pytest.mark.parametrize("name", ["joint_bilateral", "featup_jbu", "guided_filter"])
def test_a_step_edge_in_the_guide_stays_within_a_pixel(name):
    """Coarse features that know left from right; the guide says where exactly."""
    guide = torch.zeros(1, 3, 64, 64)
    guide[..., 37:] = 1  # inside a coarse pixel
    features = torch.zeros(1, 1, 8, 8)
    features[..., 5:] = 1
    out = build(name, 1)(features, guide, (64, 64))[0, 0, 32]
    assert out[:36].max() < 0.5 < out[39:].min()


def test_unknown_names_are_refused_with_the_known():
    with pytest.raises(ValueError, match=r"one of nearest, .*, got 'none'"):
        create_upsampler("none", 3)
    with pytest.raises(ValueError, match="variant must be one of default, paper"):
        create_upsampler("featup_jbu", 3, variant="none")
    with pytest.raises(ValueError, match="size must be"):
        create_upsampler("nearest", 3)(torch.zeros(1, 3, 4, 4), size=(0, 3))
