"""A network's features at several strides at once, trainable: what necks and heads stand on.

As in `backbones`, the image is padded at its right and bottom to whole multiples of the
coarsest stride, so each grid of the pyramid is exactly twice as fine as the next octave's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.padding import pad_image
from unstride.backbones.timm_backbone import (
    DEFAULT_BACKBONE,
    TimmFeatureExtractor,
    create_timm_model,
)
from unstride.necks.simple_pyramid import SimpleFeaturePyramid
from unstride.upsamplers import Deconvolution
from unstride.upsamplers.factory import UpsamplerFactory

DEFAULT_STRIDES = (4, 8, 16, 32)


class Pyramid(TimmFeatureExtractor):
    """The deepest layer of each stride.

    Layers beyond the coarsest stride are taken out where timm knows how, so that no parameter
    is without a gradient.

    Args:
        model: a timm model; it is changed.
        strides: of the features, in pixels.
        name: what the features are called in files.

    Attributes:
        strides: from the finest to the coarsest.
        channels: of the features, by stride.
        multiple: the image is padded to whole multiples of this, in pixels.

    Raises:
        ValueError: if no layer has one of the strides; a plain vision transformer has only one,
            see `PlainViTPyramid`.
    """

    def __init__(
        self, model: nn.Module, strides: Sequence[int] = DEFAULT_STRIDES, *, name: str = "custom"
    ):
        super().__init__(model, name=name)
        if not strides:
            raise ValueError("strides must name at least one stride, got none")
        self.strides = tuple(sorted(set(strides)))
        self.indices = [self.deepest(stride) for stride in self.strides]
        self.channels = {
            stride: self.layers[index][1]
            for stride, index in zip(self.strides, self.indices, strict=True)
        }
        if hasattr(self.model, "prune_intermediate_layers"):
            self.model.prune_intermediate_layers(self.indices, prune_norm=False, prune_head=True)

    def _take(self, height: int, width: int) -> None:
        """As ever, if what an optimiser and a file hold stays the network's.

        Raises:
            ValueError: if timm would put other parameters in their place.
        """
        before = [id(parameter) for parameter in self.model.parameters()]
        super()._take(height, width)
        if before != [id(parameter) for parameter in self.model.parameters()]:
            raise ValueError(
                f"{self.name}: its parameters change with the image's size, it cannot be trained "
                "at this one"
            )

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[int, Tensor]:
        """Features of the padded image, "b c h w" each, by stride.

        Args:
            image: RGB in [0, 1], of any size.
        """
        return dict(zip(self.strides, self.maps(image, self.indices), strict=True))


class PlainViTPyramid(Pyramid):
    """The last map of a plain vision transformer, at several strides.

    Args:
        model: a timm model all of whose layers have one stride; it is changed.
        strides: of the features, in pixels; the model's own, doubled or halved some times.
        upsampler: of each doubling, see `SimpleFeaturePyramid`.
        name: what the features are called in files.

    Raises:
        ValueError: if the model has several strides, or these cannot be made of its one.
    """

    def __init__(
        self,
        model: nn.Module,
        strides: Sequence[int] = DEFAULT_STRIDES,
        upsampler: UpsamplerFactory = Deconvolution,
        *,
        name: str = "custom",
    ):
        own = model_strides(model)
        if len(own) != 1:
            raise ValueError(f"{name} has the strides {', '.join(map(str, own))}: use Pyramid")
        super().__init__(model, own, name=name)
        self.neck = SimpleFeaturePyramid(
            self.channels[own[0]], own[0], strides=strides, upsampler=upsampler
        )
        self.strides, self.channels = self.neck.strides, self.neck.channels
        self.multiple = max(self.multiple, self.strides[-1])

    def drop_finer(self, stride: int) -> None:
        """Levels finer than this stride are no longer made."""
        self.neck.drop_finer(stride)
        self.strides = self.neck.strides

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[int, Tensor]:
        """As of every pyramid."""
        [features] = self.maps(image, self.indices)
        seen = pad_image(image, self.padded_size((image.shape[2], image.shape[3])))
        return self.neck(features, seen)


def model_strides(model: Any) -> tuple[int, ...]:
    """The strides of a timm model's layers, each once."""
    return tuple(sorted({layer["reduction"] for layer in model.feature_info}))


def create_pyramid(
    name: str = DEFAULT_BACKBONE,
    strides: Sequence[int] = DEFAULT_STRIDES,
    pretrained: bool = True,
    *,
    weights: str | Path | None = None,
    upsampler: UpsamplerFactory = Deconvolution,
) -> Pyramid:
    """Features of a timm model at several strides, in training mode.

    A plain vision transformer has one stride; the others are made of its last map.

    An HRNet gives its own branches (18, 36, 72 and 144 channels for hrnet_w18), without the
    wider layers that timm's classifier puts on top of them.

    Args:
        name: a model name of timm. The default needs no download.
        strides: of the features, in pixels.
        pretrained: with trained weights; timm fetches those of other models on first use.
        weights: a safetensors file in timm's layout, instead of the usual weights.
        upsampler: of a plain vision transformer's map, see `PlainViTPyramid`; others have no use
            for it.

    Raises:
        ValueError: if there is no such model or stride, or the file does not fit the model.
        OSError: if the weights can be neither found nor downloaded.
    """
    options: dict[str, Any] = {}
    if name.startswith("hrnet"):
        options = {"features_only": True, "feature_location": ""}
    model = create_timm_model(name, pretrained, weights, num_classes=0, **options)
    own = model_strides(model)
    if len(own) == 1 and set(strides) - set(own):
        return PlainViTPyramid(model, strides, upsampler, name=name)
    return Pyramid(model, strides, name=name)
