"""Image classifiers from timm that also score single pixels, for class-activation maps."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import DEFAULT_BACKBONE, register_normalization
from unstride.backbones.timm_model import create_timm_model
from unstride.upsamplers.image_check import ImageCheck


class Classifier(nn.Module):
    """A timm classifier that scores a whole image, or one feature vector at a time.

    Args:
        model: a timm model. Its head must treat every pixel alike and average over pixels, as those
            of EfficientNet and ResNet do.
        name: model name, for error messages.

    Attributes:
        channels, stride: of the features that the head takes, which are those of the last layer.

    Raises:
        ValueError: if the head computes anything else.
    """

    model: Any
    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, name: str = "custom"):
        super().__init__()
        self.model, self.name = model.eval().requires_grad_(False), name
        self.check_image = ImageCheck()
        self.stride: int = self.model.feature_info[-1]["reduction"]
        self.channels: int = self.model.feature_info[-1]["num_chs"]
        register_normalization(self, self.model.pretrained_cfg)
        self._check_head()

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
        """Class logits of an image.

        Args:
            image: RGB in [0, 1]; its sides are multiples of the stride.
        """
        self.check_image(image)
        return self.model((image - self.mean.to(image)) / self.std.to(image))

    def pixel_scores(self, features: Float[Tensor, "p c"], label: int) -> Float[Tensor, " p"]:
        """Logit of one class for each feature vector, as if it were alone in the image.

        Args:
            features: feature vectors of the last layer.
            label: index of the class.
        """
        linear = self.model.get_classifier()
        pre_logits = self._pre_logits(features[:, :, None, None])
        return pre_logits @ linear.weight[label] + linear.bias[label]

    def _pre_logits(self, features: Float[Tensor, "p c 1 1"]) -> Float[Tensor, "p d"]:
        """The input of the linear layer, for maps of one pixel."""
        # some models apply these two layers after their features
        if hasattr(self.model, "conv_head") and hasattr(self.model, "bn2"):
            features = self.model.bn2(self.model.conv_head(features))
        return self.model.forward_head(features, pre_logits=True)

    @torch.no_grad()
    def _check_head(self) -> None:
        """Check that the mean of the pixels' scores is the image's score."""
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        try:
            last = self.model.forward_intermediates(
                image, indices=[-1], norm=True, output_fmt="NCHW", intermediates_only=True
            )[-1]
            mean = self.pixel_scores(last[0].flatten(1).T, 0).mean()
            is_mean = torch.allclose(mean, self.model(image)[0, 0], rtol=1e-3, atol=1e-3)
        except (RuntimeError, AttributeError, AssertionError, TypeError, ValueError):
            is_mean = False
        if not is_mean:
            raise ValueError(
                f"{self.name} cannot draw class-activation maps: its head must process every "
                "pixel in the same way, average over the pixels and end in a linear layer"
            )


def create_classifier(
    name: str = DEFAULT_BACKBONE, pretrained: bool = True, *, weights: str | Path | None = None
) -> Classifier:
    """Create a timm classifier in evaluation mode.

    Args:
        name: timm model name. The weights of the default are installed as a package.
        pretrained: load trained weights. timm downloads those of other models on first use.
        weights: file to load instead, in timm's layout and with the head: safetensors, or a state
            dict that torch wrote.

    Raises:
        ValueError: if there is no such model, the file does not fit it, or its head is unsuitable.
        OSError: if the weights can be neither found nor downloaded.
    """
    return Classifier(create_timm_model(name, pretrained, weights, num_classes=None), name)
