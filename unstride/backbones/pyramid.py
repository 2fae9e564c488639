"""Features of a timm model at several strides, trainable: the input of necks and heads.

As for `Backbone`, the image is padded at its right and bottom to multiples of the coarsest stride.
Each grid of the pyramid is therefore exactly twice as fine as that of the next octave.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.model_by_name import create_model
from unstride.backbones.padding import pad_image
from unstride.backbones.timm_backbone import DEFAULT_BACKBONE, TimmFeatureExtractor
from unstride.necks.simple_pyramid import SimpleFeaturePyramid
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import Each, Whole
from unstride.upsamplers import Deconvolution
from unstride.upsamplers.factory import UpsamplerFactory

DEFAULT_STRIDES = (4, 8, 16, 32)


class Pyramid(TimmFeatureExtractor):
    """Features of the deepest layer of each stride.

    Removes the layers beyond the coarsest stride where timm supports it, so that every parameter
    gets a gradient.

    Args:
        model: a timm model. It is changed.
        strides: strides of the features, in pixels.
        name: name of the features in files.

    Attributes:
        strides: from the finest to the coarsest.
        channels: channels of the features, by stride.
        size_divisor: the image is padded to multiples of this, in pixels.

    Raises:
        ValueError: if no layer has one of the strides. A plain vision transformer has only one
            stride, see `PlainViTPyramid`.
    """

    def __init__(
        self, model: nn.Module, strides: Sequence[int] = DEFAULT_STRIDES, *, name: str = "custom"
    ):
        super().__init__(model, name=name)
        if not strides:
            raise ValueError("strides must contain at least one stride, got none")
        self.strides = tuple(sorted(set(strides)))
        self.layer_indices = [self.deepest_layer(stride) for stride in self.strides]
        self.channels = {
            stride: self.layer_info[index][1]
            for stride, index in zip(self.strides, self.layer_indices, strict=True)
        }
        if hasattr(self.model, "prune_intermediate_layers"):
            self.model.prune_intermediate_layers(
                self.layer_indices, prune_norm=False, prune_head=True
            )

    def _set_input_size(self, height: int, width: int) -> None:
        """Prepare the model, and check that it keeps its parameters.

        An optimizer and a saved file hold the parameters that the model has now.

        Raises:
            ValueError: if timm replaces parameters for this size.
        """
        parameter_ids = [id(parameter) for parameter in self.model.parameters()]
        super()._set_input_size(height, width)
        if parameter_ids != [id(parameter) for parameter in self.model.parameters()]:
            raise ValueError(
                f"{self.name} cannot be trained at {height} x {width} pixels: its parameters "
                "depend on the image size"
            )

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[int, Tensor]:
        """Features of the padded image, "b c h w" each, by stride.

        Args:
            image: RGB in [0, 1], of any size.
        """
        features = self.intermediate_features(image, self.layer_indices)
        return dict(zip(self.strides, features, strict=True))


class PlainViTPyramid(Pyramid):
    """A pyramid made from the last features of a plain vision transformer.

    Args:
        model: a timm model whose layers all have the same stride. It is changed.
        strides: strides of the features, in pixels: the model's stride, or that stride doubled or
            halved any number of times.
        upsampler: makes the operator of each doubling, see `SimpleFeaturePyramid`.
        name: name of the features in files.

    Raises:
        ValueError: if the model has several strides, or the strides cannot be made from its own.
    """

    def __init__(
        self,
        model: nn.Module,
        strides: Sequence[int] = DEFAULT_STRIDES,
        upsampler: UpsamplerFactory = Deconvolution,
        *,
        name: str = "custom",
    ):
        vit_strides = model_strides(model)
        if len(vit_strides) != 1:
            offered = ", ".join(map(str, vit_strides))
            raise ValueError(f"model {name} must have a single stride, got {offered}; use Pyramid")
        super().__init__(model, vit_strides, name=name)
        [vit_stride] = vit_strides
        self.neck = SimpleFeaturePyramid(
            self.channels[vit_stride], vit_stride, strides=strides, upsampler=upsampler
        )
        self.strides, self.channels = self.neck.strides, self.neck.channels
        self.size_divisor = max(self.size_divisor, self.strides[-1])

    def drop_finer_levels(self, stride: int) -> None:
        """Stop making levels finer than this stride, and remove their parameters."""
        self.neck.drop_finer_levels(stride)
        self.strides = self.neck.strides

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[int, Tensor]:
        """Features of the padded image, "b c h w" each, by stride."""
        [features] = self.intermediate_features(image, self.layer_indices)
        padded = pad_image(image, self.padded_size((image.shape[2], image.shape[3])))
        return self.neck(features, padded)


def model_strides(model: Any) -> tuple[int, ...]:
    """The distinct strides of a timm model's layers, sorted."""
    return tuple(sorted({layer["reduction"] for layer in model.feature_info}))


def create_pyramid_model(
    name: str, pretrained: bool, weights: str | Path | None = None
) -> nn.Module:
    """Create the model of `create_pyramid`, with all of its layers."""
    options: dict[str, Any] = {}
    if name.startswith("hrnet"):
        options = {"features_only": True, "feature_location": ""}
    return create_model(name, pretrained, weights, **options)


@checked
def create_pyramid(
    name: str = DEFAULT_BACKBONE,
    strides: Annotated[Sequence[int], Each(Whole(1))] = DEFAULT_STRIDES,
    pretrained: bool = True,
    *,
    weights: str | Path | None = None,
    upsampler: UpsamplerFactory = Deconvolution,
) -> Pyramid:
    """Create a pyramid from a model of timm or torchvision, in training mode.

    A plain vision transformer has one stride; the others are made from its last features. An HRNet
    returns its branches (18, 36, 72 and 144 channels for hrnet_w18), without the wider layers that
    timm's classifier adds on top of them.

    Args:
        name: name of a timm model, or torchvision/NAME. The default needs no download.
        strides: strides of the features, in pixels.
        pretrained: load trained weights. Those of other models are downloaded on first use.
        weights: file to load instead of the pretrained weights, in timm's layout: safetensors, or a
            state dict that torch wrote (.pth, .pt, .bin, .ckpt).
        upsampler: operator of a plain vision transformer's pyramid, see `PlainViTPyramid`. Other
            models do not use it.

    Raises:
        ValueError: if there is no such model or stride, or the file does not fit the model.
        OSError: if the weights can be neither found nor downloaded.
    """
    model = create_pyramid_model(name, pretrained, weights)
    available = model_strides(model)
    if len(available) == 1 and set(strides) - set(available):
        return PlainViTPyramid(model, strides, upsampler, name=name)
    return Pyramid(model, strides, name=name)
