"""Feature pyramid network with any operator for its top-down upsampling.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, arXiv:1612.03144, section 3.
An operator replaces nearest neighbour as in Wang et al., "CARAFE", ICCV 2019, arXiv:1905.02188,
section 4.1. Parameters have the names of torchvision's `FeaturePyramidNetwork`, so that its
checkpoints load, including those from before version 0.14.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from unstride.necks.conv_block import NormFactory
from unstride.necks.extra_levels import ExtraLevels
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.interpolation import Nearest


class TorchNearest(Nearest):
    """Repeat the pixel under the output pixel's corner, not its centre: one tap, convex.

    This is `F.interpolate(mode="nearest")`, which torchvision uses. It equals `Nearest` where each
    grid is exactly twice as fine as the next, as in a `Pyramid`.
    """

    mode = "nearest"


class FPN(nn.Module):
    """Adds the upsampled sum of all coarser levels to each level, then smooths each level.

    Args:
        channels: channels of the input features, by stride.
        out_channels: channels of every output level.
        upsampler: makes the operator between two levels, called as
            `factory(out_channels, scale=...)`, see `build_upsampler`. Its guide is the finer level
            with `out_channels` channels. Default: torchvision's nearest neighbour.
        extra_levels: makes levels coarser than the inputs. Default: none.
        norm_layer: makes a norm after each convolution, which then has no bias, as torchvision's
            `norm_layer`. Default: no norm.

    Raises:
        ValueError: if there are no levels, or a stride is not a multiple of the previous one.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        out_channels: int = 256,
        upsampler: UpsamplerFactory = TorchNearest,
        *,
        extra_levels: ExtraLevels | None = None,
        norm_layer: NormFactory | None = None,
    ):
        super().__init__()
        self.strides, self.out_channels = sorted(channels), out_channels
        steps = list(pairwise(self.strides))
        if not channels or any(coarse % fine for fine, coarse in steps):
            raise ValueError(f"strides must each divide the next, got {self.strides}")
        self.inner_blocks = nn.ModuleList(
            _conv_norm(channels[stride], out_channels, 1, norm_layer) for stride in self.strides
        )
        self.layer_blocks = nn.ModuleList(
            _conv_norm(out_channels, out_channels, 3, norm_layer) for _ in self.strides
        )
        self.upsamplers = nn.ModuleList(
            build_upsampler(upsampler, out_channels, coarse // fine, guide_channels=out_channels)
            for fine, coarse in steps
        )
        self.extra_blocks = extra_levels
        self.register_load_state_dict_pre_hook(_rename_legacy_keys)

    def forward(
        self, features: Mapping[int, Tensor], image: Tensor | None = None
    ) -> dict[int, Tensor]:
        """Levels by stride, finest first, on the grids of the features.

        Args:
            features: features by stride, for every stride of `channels`.
            image: RGB in [0, 1], padded as the features, for upsamplers that need one.
        """
        laterals = [
            block(features[stride])
            for block, stride in zip(self.inner_blocks, self.strides, strict=True)
        ]
        for i in reversed(range(len(self.upsamplers))):
            fine = laterals[i]
            size = fine.shape[2], fine.shape[3]
            coarse = upsample_guided(
                laterals[i + 1], self.upsamplers[i], size, fine_features=fine, image=image
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
    in_channels: int, out_channels: int, kernel_size: int, norm_layer: NormFactory | None
) -> nn.Sequential:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=norm_layer is None
    )
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    if norm_layer is not None:
        return nn.Sequential(convolution, norm_layer(out_channels))
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution)


def _rename_legacy_keys(module: nn.Module, state: dict, prefix: str, *_) -> None:
    """Rename keys from before torchvision 0.14, such as inner_blocks.0.weight.

    Its convolutions were not yet in sequences.
    """
    for name in dict(module.named_parameters()):
        old = prefix + re.sub(r"^(inner|layer)_blocks\.(\d+)\.0\.", r"\1_blocks.\2.", name)
        if old in state:
            state[prefix + name] = state.pop(old)
