"""The class of an image, and of each of its pixels: a backbone with its head."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import DEFAULT_BACKBONE, create_timm_model


class Classifier(nn.Module):
    """A network that says of an image, and of a single feature, which class it shows.

    Args:
        model: a timm model whose head treats every pixel alike and takes the mean, as
            EfficientNet's or ResNet's.
        name: of the model.

    Attributes:
        channels, stride: of the features that the head takes, those of the last layer.

    Raises:
        ValueError: if its head does anything else.
    """

    model: Any
    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, name: str = "custom"):
        super().__init__()
        self.model, self.name = model.eval().requires_grad_(False), name
        self.stride: int = self.model.feature_info[-1]["reduction"]
        self.channels: int = self.model.feature_info[-1]["num_chs"]
        config = self.model.pretrained_cfg
        for statistic in ("mean", "std"):
            value = torch.tensor(config[statistic]).view(1, 3, 1, 1)
            self.register_buffer(statistic, value, persistent=False)
        self._check()

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
        """Scores of the classes, before a softmax; RGB in [0, 1], whole cells of the network."""
        return self.model((image - self.mean.to(image)) / self.std.to(image))

    def at_pixels(self, features: Float[Tensor, "p c"], label: int) -> Float[Tensor, " p"]:
        """The score of a class for single features of the last layer, as if alone in the image."""
        linear = self.model.get_classifier()
        embedded = self._embedded(features[:, :, None, None])
        return embedded @ linear.weight[label] + linear.bias[label]

    def _embedded(self, maps: Float[Tensor, "p c 1 1"]) -> Float[Tensor, "p d"]:
        """What the linear layer sees of maps of one pixel."""
        if hasattr(self.model, "conv_head") and hasattr(self.model, "bn2"):  # after the features
            maps = self.model.bn2(self.model.conv_head(maps))
        return self.model.forward_head(maps, pre_logits=True)

    @torch.no_grad()
    def _check(self) -> None:
        """The mean of the pixels' scores must be the image's score."""
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        try:
            last = self.model.forward_intermediates(
                image, indices=[-1], norm=True, output_fmt="NCHW", intermediates_only=True
            )[-1]
            mean = self.at_pixels(last[0].flatten(1).T, 0).mean()
            alike = torch.allclose(mean, self.model(image)[0, 0], rtol=1e-3, atol=1e-3)
        except (RuntimeError, AttributeError, AssertionError, TypeError, ValueError):
            alike = False
        if not alike:
            raise ValueError(
                f"{self.name} cannot draw class-activation maps: its head must treat every pixel "
                "alike, take the mean and then a linear layer"
            )


def create_classifier(
    name: str = DEFAULT_BACKBONE, pretrained: bool = True, *, weights: str | Path | None = None
) -> Classifier:
    """A timm model with its head, in evaluation mode; the default's weights are a package.

    Args:
        name: a model name of timm.
        pretrained: with trained weights; timm fetches those of other models on first use.
        weights: a safetensors file in timm's layout, head included, instead.

    Raises:
        ValueError: if there is no such model, the file does not fit, or its head cannot be used.
        OSError: if the weights can be neither found nor downloaded.
    """
    return Classifier(create_timm_model(name, pretrained, weights, num_classes=None), name)
