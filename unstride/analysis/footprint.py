"""Where an output pixel takes its value from: its taps and weights, traced back to any map.

Figure 5 of Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019,
arXiv:1905.02188, for every operator and through any number of them. With predictions frozen an
output pixel is linear in the features, so that its gradient is its weights, all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.analysis.freeze import frozen_predictions
from unstride.analysis.jacobian import ModuleCall, VectorJacobianProduct, squared_norms
from unstride.upsamplers.base import Upsampler
from unstride.upsamplers.bilateral_stack import BilateralStage
from unstride.upsamplers.featup import FeatUpStage

TRACED_MODULES = Upsampler, BilateralStage, FeatUpStage


@dataclass
class Footprint:
    """The weight of each cell of one map in one output pixel.

    Attributes:
        weights: of the cells. Signed, and the mean over channels where channels differ; if
            channels mix, the size of the matrix between them, |J| / sqrt(channels), in the
            Frobenius norm: unsigned, and 1 for a copy or a rotation of all channels.
        mixes: whether an output channel takes from channels other than its own.
        stages: the same output pixel's footprints on the maps between, finer and finer.
    """

    weights: Float[Tensor, "h w"]
    mixes: bool
    stages: dict[str, "Footprint"] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The sum of the weights. What a convex operator lacks to 1 comes from elsewhere.

        That is from zeros beyond the border, or from the guide where FADE's gate lets it in.
        """
        return float(self.weights.sum())

    def strongest(self, count: int = 5) -> list[tuple[int, int, float]]:
        """Cells (x, y) with their weights, largest first; those without weight are left out."""
        flat = self.weights.flatten()
        cells = flat.abs().argsort(descending=True, stable=True)[:count].tolist()
        width = self.weights.shape[1]
        return [(i % width, i // width, float(flat[i])) for i in cells if flat[i] != 0]


def footprint(
    upsampler: nn.Module,
    features: Float[Tensor, "b c h w"],
    guide: Float[Tensor, "b d gh gw"] | None = None,
    *,
    at: tuple[int, int],
    size: tuple[int, int] | None = None,
) -> Footprint:
    """Where the output pixel `at` takes its value from, exact for every operator.

    Applied to the features, the weights give the pixel again, for each operator whose channels
    share them; biases, and the guide that FADE's gate lets in, come on top.

    Args:
        upsampler: of `create_upsampler`, or any module called in the same way; in evaluation
            mode. Its stages, if it has any, are traced too.
        features: of one image, b = 1.
        guide: as the upsampler takes it.
        at: (x, y), a pixel of the output.
        size: rows and columns of the output.

    Raises:
        ValueError: if `at` lies outside the output, or there are several images.
    """
    return footprints(upsampler, features, guide, points=[at], size=size)[0]


@torch.enable_grad()
def footprints(
    upsampler: nn.Module,
    features: Float[Tensor, "b c h w"],
    guide: Float[Tensor, "b d gh gw"] | None = None,
    *,
    points: Sequence[tuple[int, int]],
    size: tuple[int, int] | None = None,
) -> list[Footprint]:
    """As `footprint`, of several pixels of one output, which is computed once."""
    if features.ndim != 4 or len(features) != 1:
        raise ValueError(
            f"features must be of one image, (1, c, h, w), got {tuple(features.shape)}"
        )
    with frozen_predictions(upsampler), record_maps(upsampler) as maps:
        maps["features"] = source = features.detach().requires_grad_()
        out = upsampler(source, guide, size)
    h, w = out.shape[2:]
    found = []
    for x, y in points:
        if not (0 <= x < w and 0 <= y < h):
            raise ValueError(f"at must be (x, y) inside the output of {w}x{h}, got {x},{y}")
        traced = trace_pixel(out[0, :, y, x], maps)
        first = traced.pop("features")
        between = {name: f for name, f in traced.items() if maps[name] is not out}
        found.append(Footprint(first.weights, first.mixes, between))
    return found


class RecordedMaps(dict[str, Tensor]):
    """Maps by name, and the modules that were called on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[ModuleCall] = []


@contextmanager
def record_maps(model: nn.Module) -> Iterator[RecordedMaps]:
    """Inside, what goes into and comes out of each upsampler and stage in `model`, for `trace`.

    Maps are named after the module: "before up.0", "after up.0", "after up.0:2" if it runs again.
    What one gives to the next is "after" the one, what a stack returns "after" the stack. A map
    without a gradient starts one.
    """
    maps = RecordedMaps()

    def keep(name: str, tensor: Tensor, *, rename: bool) -> None:
        if not tensor.requires_grad:
            return
        known = next((other for other in maps if maps[other] is tensor), None)
        if known is None or rename:
            maps.pop(known or "", None)
            runs = sum(other.split(":")[0] == name for other in maps)
            maps[f"{name}:{runs + 1}" if runs else name] = tensor

    def before(name: str):
        def hook(module, args):
            features = args[0] if args[0].requires_grad else args[0].detach().requires_grad_()
            keep(f"before {name}", features, rename=False)
            return features, *args[1:]

        return hook

    def after(name: str):
        def hook(module, args, out):
            keep(f"after {name}", out, rename=True)
            maps.calls.append(ModuleCall(module, args[0], out))

        return hook

    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, TRACED_MODULES):
            hooks.append(module.register_forward_pre_hook(before(name or "it")))
            hooks.append(module.register_forward_hook(after(name or "it")))
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


@torch.enable_grad()
def trace_pixel(pixel: Float[Tensor, " c"], maps: Mapping[str, Tensor]) -> dict[str, Footprint]:
    """The footprint of one pixel, with all its channels, on each map.

    For a model of your own, run it inside `frozen_predictions` and `record_maps`; what is not an
    upsampler in it is taken as its linearisation.

    Args:
        pixel: such as `out[0, :, y, x]`; it depends on the maps, and keeps its graph.
        maps: of one image each, by name; if the pixel does not depend on one, its weights are
            zero.

    Raises:
        ValueError: if the pixel has no gradient at all.
    """
    if not pixel.requires_grad:
        raise ValueError("pixel must depend on the maps, with gradients enabled; it does not")
    # Without mixing, channel i's gradient is what is sent into channel i times the same weight.
    # So it follows any two cotangents; with mixing it does not, unless these are very special.
    generic = 1 + torch.rand(len(pixel), generator=torch.Generator().manual_seed(0)).to(pixel)
    sums = (
        VectorJacobianProduct(pixel, maps, torch.ones_like(pixel)),
        VectorJacobianProduct(pixel, maps, generic),
    )
    mixing = {name for name in maps if _mixes_channels(name, *sums)}
    calls = maps.calls if isinstance(maps, RecordedMaps) else []
    squares = squared_norms(pixel, {name: maps[name] for name in mixing}, calls, sums)
    found: dict[str, Footprint] = {}
    for name, tensor in maps.items():
        if name in mixing:
            weights = (squares[name] / min(len(pixel), tensor.shape[1])).sqrt()
        else:
            weights = sums[0].on[name].mean(0)
        found[name] = Footprint(weights, name in mixing)
    return found


def _mixes_channels(name: str, ones: VectorJacobianProduct, others: VectorJacobianProduct) -> bool:
    """By more than rounding: some hundred operations, each to the last bit."""
    one, other = ones.on[name], others.on[name]
    if len(one) != len(others.numbers):
        return True
    largest = max(one.abs().max(), other.abs().max())
    apart = (other - others.numbers[:, None, None] * one).abs().max()
    return bool(apart > 100 * torch.finfo(one.dtype).eps * largest)
