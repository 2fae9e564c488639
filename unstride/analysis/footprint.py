"""Traces an output pixel back to the input cells and weights that produced it.

Draws figure 5 of Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019,
arXiv:1905.02188, for every operator and through any number of them. With predictions frozen, an
output pixel is linear in the features, so its gradient is exactly its weights.
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
        weights: of the cells, signed; the mean over channels if channels differ. If channels
            mix: the norm of the matrix between them, |J| / sqrt(channels), in the Frobenius
            norm; unsigned, and 1 for a copy or a rotation of all channels.
        mixes_channels: whether an output channel depends on channels other than its own.
        stages: footprints of the same output pixel on the maps in between, from coarse to fine.
    """

    weights: Float[Tensor, "h w"]
    mixes_channels: bool
    stages: dict[str, "Footprint"] = field(default_factory=dict)

    @property
    def weight_sum(self) -> float:
        """The sum of the weights. In a convex operator, the rest up to 1 comes from elsewhere.

        It comes from zeros beyond the border, or from the guide where FADE's gate mixes it in.
        """
        return float(self.weights.sum())

    def strongest_cells(self, count: int = 5) -> list[tuple[int, int, float]]:
        """Cells (x, y) with their weights, largest absolute weight first, without zeros.

        Args:
            count: maximum number of cells.
        """
        flat = self.weights.flatten()
        indices = flat.abs().argsort(descending=True, stable=True)[:count].tolist()
        width = self.weights.shape[1]
        return [(i % width, i // width, float(flat[i])) for i in indices if flat[i] != 0]


def footprint(
    upsampler: nn.Module,
    features: Float[Tensor, "b c h w"],
    guide: Float[Tensor, "b d gh gw"] | None = None,
    *,
    at: tuple[int, int],
    size: tuple[int, int] | None = None,
) -> Footprint:
    """Trace the output pixel `at` back to the features; exact for every operator.

    Applied to the features, the weights give the pixel again, for every operator whose channels
    share them. Biases, and the guide that FADE's gate mixes in, come on top.

    Args:
        upsampler: from `create_upsampler`, or any module called in the same way; in evaluation
            mode. Its stages, if it has any, are traced too.
        features: of one image, b = 1.
        guide: as the upsampler takes it.
        at: (x, y), a pixel of the output.
        size: rows and columns of the output. Default: the upsampler's.

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
    """Trace several pixels of one output, which is computed once; arguments as in `footprint`."""
    if features.ndim != 4 or len(features) != 1:
        raise ValueError(
            f"features must be of one image, (1, c, h, w), got {tuple(features.shape)}"
        )
    with frozen_predictions(upsampler), record_maps(upsampler) as maps:
        maps["features"] = source = features.detach().requires_grad_()
        out = upsampler(source, guide, size)
    h, w = out.shape[2:]
    traced = []
    for x, y in points:
        if not (0 <= x < w and 0 <= y < h):
            raise ValueError(f"at must be (x, y) inside the output of {w}x{h}, got {x},{y}")
        by_map = trace_pixel(out[0, :, y, x], maps)
        first = by_map.pop("features")
        stages = {name: f for name, f in by_map.items() if maps[name] is not out}
        traced.append(Footprint(first.weights, first.mixes_channels, stages))
    return traced


class RecordedMaps(dict[str, Tensor]):
    """Maps by name, and the calls of the modules that produced them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[ModuleCall] = []

    def keep(self, name: str, tensor: Tensor, *, rename: bool) -> None:
        """Record a map, unless it has no gradient.

        Args:
            name: of the map; numbered if there is one of this name.
            tensor: the map.
            rename: whether a map that is recorded already gets the new name.
        """
        if not tensor.requires_grad:
            return
        known = next((other for other in self if self[other] is tensor), None)
        if known is None or rename:
            self.pop(known or "", None)
            runs = sum(other.split(":")[0] == name for other in self)
            self[f"{name}:{runs + 1}" if runs else name] = tensor

    def hook_before(self, name: str):
        """A forward pre-hook that records the input of a module and makes it require gradients."""

        def hook(module, args):
            features = args[0] if args[0].requires_grad else args[0].detach().requires_grad_()
            self.keep(f"before {name}", features, rename=False)
            return features, *args[1:]

        return hook

    def hook_after(self, name: str):
        """A forward hook that records the output of a module, and its call."""

        def hook(module, args, out):
            self.keep(f"after {name}", out, rename=True)
            self.calls.append(ModuleCall(module, args[0], out))

        return hook


@contextmanager
def record_maps(model: nn.Module) -> Iterator[RecordedMaps]:
    """Record the input and output of each upsampler and stage in `model`, for `trace_pixel`.

    Maps are named after the module: "before up.0", "after up.0", "after up.0:2" if it runs again.
    A map that one module passes to the next is "after" the first; the output of a stack is "after"
    the stack. A map without a gradient is made to require one.
    """
    maps = RecordedMaps()
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, TRACED_MODULES):
            hooks.append(module.register_forward_pre_hook(maps.hook_before(name or "it")))
            hooks.append(module.register_forward_hook(maps.hook_after(name or "it")))
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


@torch.enable_grad()
def trace_pixel(pixel: Float[Tensor, " c"], maps: Mapping[str, Tensor]) -> dict[str, Footprint]:
    """The footprint of one pixel, with all its channels, on each map.

    Run a model of your own inside `frozen_predictions` and `record_maps`. Modules in it that are
    no upsamplers are linearised.

    Args:
        pixel: for example `out[0, :, y, x]`, which depends on the maps; its graph is kept.
        maps: of one image each, by name. If the pixel does not depend on a map, its weights are
            zero.

    Raises:
        ValueError: if the pixel does not require gradients.
    """
    if not pixel.requires_grad:
        raise ValueError("pixel must depend on the maps, with gradients enabled; it does not")
    # Without mixing, the gradient of channel i is channel i of the cotangent times the same weight
    # for every cotangent. With mixing it is not, except for very special cotangents.
    random = 1 + torch.rand(len(pixel), generator=torch.Generator().manual_seed(0)).to(pixel)
    vjps = (
        VectorJacobianProduct(pixel, maps, torch.ones_like(pixel)),
        VectorJacobianProduct(pixel, maps, random),
    )
    mixing = {name for name in maps if _mixes_channels(name, *vjps)}
    calls = maps.calls if isinstance(maps, RecordedMaps) else []
    squares = squared_norms(pixel, {name: maps[name] for name in mixing}, calls, vjps)
    by_map: dict[str, Footprint] = {}
    for name, tensor in maps.items():
        if name in mixing:
            weights = (squares[name] / min(len(pixel), tensor.shape[1])).sqrt()
        else:
            weights = vjps[0].gradients[name].mean(0)
        by_map[name] = Footprint(weights, name in mixing)
    return by_map


def _mixes_channels(
    name: str, ones_vjp: VectorJacobianProduct, random_vjp: VectorJacobianProduct
) -> bool:
    """Whether the difference exceeds rounding: some hundred operations, each to the last bit."""
    ones, random = ones_vjp.gradients[name], random_vjp.gradients[name]
    if len(ones) != len(random_vjp.cotangent):
        return True
    largest = max(ones.abs().max(), random.abs().max())
    difference = (random - random_vjp.cotangent[:, None, None] * ones).abs().max()
    return bool(difference > 100 * torch.finfo(ones.dtype).eps * largest)
