"""Dense features from any timm model, for images of any size.

The features of an H x W image lie on a grid of ceil(H / stride) x ceil(W / stride) cells. Cell i
covers the pixels [i * stride, (i + 1) * stride). To make this true for every network, the image is
padded at its right and bottom. `padded_size` returns the area that the grid covers, so that
anything computed from the features can be cropped back to the exact pixel.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.model_by_name import create_model
from unstride.backbones.padding import pad_image
from unstride.ops.window import ceil_div
from unstride.upsamplers.image_check import ImageCheck
from unstride.upsamplers.resize import checked_size

DEFAULT_BACKBONE = "tf_efficientnet_lite0"
# models for whose intermediate features timm has no final norm
WITHOUT_FINAL_NORM = ("Hiera", "HieraDet", "VisionTransformerSAM")


class TimmFeatureExtractor(nn.Module):
    """Layers of a timm model. Normalises and pads the image as the model needs.

    The base class of `Backbone` and `Pyramid`.

    Args:
        model: a timm model.
        name: name of the features in files.

    Attributes:
        size_divisor: the image is padded to multiples of this, in pixels.
        layer_info: stride and channels of each layer.
    """

    model: Any
    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, *, name: str = "custom"):
        super().__init__()
        self.model, self.name = model, name
        self.check_image = ImageCheck()
        self.layer_info = [
            (layer["reduction"], layer["num_chs"]) for layer in self.model.feature_info
        ]
        self.size_divisor = max(stride for stride, _ in self.layer_info)
        self.applies_final_norm = type(model).__name__ not in WITHOUT_FINAL_NORM
        config = self.model.pretrained_cfg
        self.fixed_size = config["input_size"][1:] if config.get("fixed_input_size") else None
        register_normalization(self, config)

    def deepest_layer(self, stride: int) -> int:
        """Index of the last layer of this stride.

        Raises:
            ValueError: if no layer has this stride.
        """
        strides = [layer_stride for layer_stride, _ in self.layer_info]
        if stride not in strides:
            offered = ", ".join(map(str, sorted(set(strides))))
            raise ValueError(f"stride must be one of {offered} for {self.name}, got {stride}")
        return len(strides) - 1 - strides[::-1].index(stride)

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Size in pixels of the area that the features of an image of this size cover."""
        size = checked_size(size)
        height, width = (ceil_div(n, self.size_divisor) * self.size_divisor for n in size)
        return height, width

    def intermediate_features(
        self, image: Float[Tensor, "b 3 H W"], layer_indices: list[int]
    ) -> list[Tensor]:
        """Features of these layers for the padded image, from the first layer to the last.

        Raises:
            ValueError: if the image is not RGB in [0, 1], see `ImageCheck`.
        """
        self.check_image(image)
        image = pad_image(image, self.padded_size((image.shape[2], image.shape[3])))
        image = (image - self.mean.to(image)) / self.std.to(image)
        self._set_input_size(image.shape[2], image.shape[3])
        return self.model.forward_intermediates(
            image,
            indices=layer_indices,
            norm=self.applies_final_norm,
            output_fmt="NCHW",
            intermediates_only=True,
        )

    def _set_input_size(self, height: int, width: int) -> None:
        """Prepare a model whose layers depend on the image's size."""
        if getattr(self.model, "dynamic_img_size", False):
            return
        if hasattr(self.model, "set_input_size"):
            self.model.set_input_size(img_size=(height, width))
        elif self.fixed_size and self.fixed_size != (height, width):
            raise ValueError(
                f"{self.name} takes images of {self.fixed_size[0]} x {self.fixed_size[1]} pixels "
                f"only (timm cannot resize it), got {height} x {width} with padding"
            )


class Backbone(TimmFeatureExtractor):
    """Dense features of a timm model. Normalises and pads the image as the model needs.

    Args:
        model: a timm model.
        stride: stride of the features, in pixels. The deepest layer of this stride is used.
            Default: the stride of the last layer.
        name: name of the features in files.

    Attributes:
        channels, stride: of the features.
        size_divisor: the image is padded to multiples of this, in pixels.

    Raises:
        ValueError: if no layer has this stride.
    """

    def __init__(self, model: nn.Module, stride: int | None = None, *, name: str = "custom"):
        super().__init__(model, name=name)
        self.stride = self.layer_info[-1][0] if stride is None else stride
        self.layer_index = self.deepest_layer(self.stride)
        self.channels = self.layer_info[self.layer_index][1]

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Features of the padded image.

        Args:
            image: RGB in [0, 1], of any size.

        Raises:
            ValueError: if the image is not RGB in [0, 1].
        """
        return self.intermediate_features(image, [self.layer_index])[0]


def create_backbone(
    name: str = DEFAULT_BACKBONE,
    pretrained: bool = True,
    *,
    stride: int | None = None,
    weights: str | Path | None = None,
) -> Backbone:
    """Create a backbone from a timm model, in evaluation mode.

    Args:
        name: name of a timm model, or torchvision/NAME. The default needs no download: its ImageNet
            weights are installed as a package.
        pretrained: load trained weights. Those of other models are downloaded on first use.
        stride: stride of the features, in pixels. Default: the stride of the last layer.
        weights: file to load instead of the pretrained weights, with the model's names:
            safetensors, or a state dict that torch wrote (.pth, .pt, .bin, .ckpt).

    Raises:
        ValueError: if there is no such model or stride, or the file does not fit the model.
        OSError: if the weights can be neither found nor downloaded.
    """
    return Backbone(create_model(name, pretrained, weights), stride, name=name).eval()


def register_normalization(module: nn.Module, pretrained_cfg: Mapping[str, Any]) -> None:
    """Register timm's image statistics as the buffers `mean` and `std`, which are not saved."""
    for statistic in ("mean", "std"):
        value = torch.tensor(pretrained_cfg[statistic]).view(1, 3, 1, 1)
        module.register_buffer(statistic, value, persistent=False)
