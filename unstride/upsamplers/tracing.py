"""Where an output pixel takes its value from: its taps and weights, traced back to any map.

Figure 5 of Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019,
arXiv:1905.02188, for every operator and through any number of them. With predictions frozen an
output pixel is linear in the features, so that its gradient is its weights, all of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.upsamplers.base import Upsampler, frozen_predictions
from unstride.upsamplers.bilateral_stack import BilateralStage
from unstride.upsamplers.featup import FeatUpStage

STAGES = Upsampler, BilateralStage, FeatUpStage


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
    features: Float[Tensor, "1 c h w"],
    guide: Float[Tensor, "1 d gh gw"] | None = None,
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
        features: of one image.
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
    features: Float[Tensor, "1 c h w"],
    guide: Float[Tensor, "1 d gh gw"] | None = None,
    *,
    points: Sequence[tuple[int, int]],
    size: tuple[int, int] | None = None,
) -> list[Footprint]:
    """As `footprint`, of several pixels of one output, which is computed once."""
    if features.ndim != 4 or len(features) != 1:
        raise ValueError(f"features must be of one image, (1, c, h, w), got {tuple(features.shape)}")
    with frozen_predictions(upsampler), recorded(upsampler) as maps:
        source = features.detach().requires_grad_()
        out = upsampler(source, guide, size)
    h, w = out.shape[2:]
    between = {name: m for name, m in maps.items() if m is not source and m is not out}
    found = []
    for x, y in points:
        if not (0 <= x < w and 0 <= y < h):
            raise ValueError(f"at must be (x, y) inside the output of {w}x{h}, got {x},{y}")
        traced = trace(out[0, :, y, x], {"features": source} | between)
        first = traced.pop("features")
        found.append(Footprint(first.weights, first.mixes, traced))
    return found


@contextmanager
def recorded(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Inside, what goes into and comes out of each upsampler and stage in `model`, for `trace`.

    Maps are named after the module: "before up.0", "after up.0", "after up.0:2" if it runs again.
    What one gives to the next is "after" the one, what a stack returns "after" the stack. A map
    without a gradient starts one.
    """
    maps: dict[str, Tensor] = {}

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
        return lambda module, args, out: keep(f"after {name}", out, rename=True)

    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, STAGES):
            hooks.append(module.register_forward_pre_hook(before(name or "it")))
            hooks.append(module.register_forward_hook(after(name or "it")))
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


@torch.enable_grad()
def trace(pixel: Float[Tensor, " c"], maps: Mapping[str, Tensor]) -> dict[str, Footprint]:
    """The footprint of one pixel, with all its channels, on each map.

    For a model of your own, run it inside `frozen_predictions` and `recorded`; what is not an
    upsampler in it is taken as its linearisation.

    Args:
        pixel: such as `out[0, :, y, x]`; it depends on the maps, and keeps its graph.
        maps: of one image each, by name; if the pixel does not depend on one, its weights are
            zero.

    Raises:
        ValueError: if the pixel has no gradient at all.
    """
    channels, sources = len(pixel), list(maps.values())
    if not pixel.requires_grad:
        raise ValueError("pixel must depend on the maps, with gradients enabled; it does not")
    # Without mixing, channel i's gradient is what is sent into channel i times the same weight.
    # So it follows any two cotangents; with mixing it does not, unless these are very special.
    generic = 1 + torch.rand(channels, generator=torch.Generator().manual_seed(0)).to(pixel)
    ones = _gradients(pixel, sources, torch.ones_like(pixel))
    others = _gradients(pixel, sources, generic)
    found: dict[str, Footprint] = {}
    for name, one, other in zip(maps, ones, others, strict=True):
        mixes = len(one) != channels or _differ(other, generic[:, None, None] * one)
        found[name] = Footprint(torch.zeros_like(one[0]) if mixes else one.mean(0), mixes)
    mixing = [name for name, footprint in found.items() if footprint.mixes]
    if mixing:
        sources = [maps[name] for name in mixing]
        for channel in pixel:
            for name, row in zip(mixing, _gradients(channel, sources), strict=True):
                found[name].weights += row.square().sum(0)
        for name in mixing:
            found[name].weights = found[name].weights.sqrt() / math.sqrt(
                min(channels, maps[name].shape[1])
            )
    return found


def _gradients(pixel: Tensor, maps: list[Tensor], sent: Tensor | None = None) -> list[Tensor]:
    gradients = torch.autograd.grad(
        pixel, maps, sent, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return [gradient[0].detach() for gradient in gradients]


def _differ(one: Tensor, other: Tensor) -> bool:
    """By more than rounding: some hundred operations, each to the last bit."""
    largest = max(one.abs().max(), other.abs().max())
    return bool((one - other).abs().max() > 100 * torch.finfo(one.dtype).eps * largest)
