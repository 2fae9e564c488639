"""The feature pyramid network, whose top-down upsampling is any operator.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, arXiv:1612.03144,
section 3; with the operator in the place of nearest neighbour as Wang et al., "CARAFE", ICCV
2019, arXiv:1905.02188, section 4.1. Parameters are called as in torchvision's
`FeaturePyramidNetwork`, so that its checkpoints load, those of before version 0.14 too.
"""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from torch import Tensor, nn

from unstride.necks.extra_levels import ExtraLevels
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.interpolation import Nearest

NormFactory = Callable[[int], nn.Module]


class TorchNearest(Nearest):
    """Repeat the pixel under the output pixel's corner, not its centre: one weight of one, convex.

    As `F.interpolate(mode="nearest")` and so torchvision do; where each grid is exactly twice as
    fine as the next, as `Pyramid` makes them, it is `Nearest`.
    """

    mode = "nearest"


class FPN(nn.Module):
    """Each level, narrowed, plus the enlarged sum of all coarser ones; then smoothed.

    Args:
        channels: of the features that come in, by stride.
        width: channels of every level that goes out.
        upsampler: makes the operator between two levels, called as `factory(width, scale=...)`,
            see `build_upsampler`; its guide is the finer level, narrowed to `width`. By
            default torchvision's nearest neighbour.
        extra: makes coarser levels than those that come in.
        norm: makes the normalisation, of so many channels, that each convolution has in the
            place of its bias, as torchvision's `norm_layer`; by default none.

    Raises:
        ValueError: if there are no levels, or a stride is no multiple of the one before.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        width: int = 256,
        upsampler: UpsamplerFactory = TorchNearest,
        *,
        extra: ExtraLevels | None = None,
        norm: NormFactory | None = None,
    ):
        super().__init__()
        self.strides, self.width = sorted(channels), width
        steps = list(pairwise(self.strides))
        if not channels or any(coarse % fine for fine, coarse in steps):
            raise ValueError(f"strides must each divide the next, got {self.strides}")
        self.inner_blocks = nn.ModuleList(
            _conv_norm(channels[stride], width, 1, norm) for stride in self.strides
        )
        self.layer_blocks = nn.ModuleList(_conv_norm(width, width, 3, norm) for _ in self.strides)
        self.upsamplers = nn.ModuleList(
            build_upsampler(upsampler, width, coarse // fine, guide_channels=width)
            for fine, coarse in steps
        )
        self.extra_blocks = extra
        self.register_load_state_dict_pre_hook(_rename_legacy_keys)

    def forward(
        self, features: Mapping[int, Tensor], image: Tensor | None = None
    ) -> dict[int, Tensor]:
        """Levels of `width` channels by stride, finest first, on the grids of the features.

        Args:
            features: by stride; all that `channels` named.
            image: RGB in [0, 1] and padded as the features, for upsamplers that need one.
        """
        laterals = [
            block(features[stride])
            for block, stride in zip(self.inner_blocks, self.strides, strict=True)
        ]
        for i in reversed(range(len(self.upsamplers))):
            fine = laterals[i]
            size = fine.shape[2], fine.shape[3]
            coarse = upsample_guided(
                laterals[i + 1], self.upsamplers[i], size, finer=fine, image=image
            )
            laterals[i] = fine + coarse
        levels = {
            stride: block(lateral)
            for stride, block, lateral in zip(
                self.strides, self.layer_blocks, laterals, strict=True
            )
        }
        if self.extra_blocks is None:
            return levels
        coarsest = self.strides[-1]
        return levels | self.extra_blocks(coarsest, levels[coarsest], features[coarsest])


def _conv_norm(
    channels: int, width: int, kernel_size: int, norm: NormFactory | None
) -> nn.Sequential:
    convolution = nn.Conv2d(
        channels, width, kernel_size, padding=kernel_size // 2, bias=norm is None
    )
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    if norm is not None:
        return nn.Sequential(convolution, norm(width))
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution)


def _rename_legacy_keys(module: nn.Module, state: dict, prefix: str, *_) -> None:
    """Before torchvision 0.14 the convolutions were no sequences: inner_blocks.0.weight."""
    for name in dict(module.named_parameters()):
        old = prefix + re.sub(r"^(inner|layer)_blocks\.(\d+)\.0\.", r"\1_blocks.\2.", name)
        if old in state:
            state[prefix + name] = state.pop(old)
