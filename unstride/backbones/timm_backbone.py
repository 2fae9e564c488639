"""Dense features from any timm model, for any image size: timm's one door.

Features of an image of H x W pixels lie on a grid of ceil(H / stride) x ceil(W / stride)
cells, and cell i covers the pixels [i * stride, (i + 1) * stride). To make that true for
every network the image is padded at its right and bottom; `padded_size` says how far the
grid reaches, so that what is computed from it can be cropped back to the pixel.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.packaged_weights import has_packaged_weights, load_packaged_weights
from unstride.backbones.padding import pad_image

DEFAULT_BACKBONE = "tf_efficientnet_lite0"
WITHOUT_FINAL_NORM = (
    "Hiera",
    "HieraDet",
    "VisionTransformerSAM",
)  # timm has no final norm for these maps


class TimmFeatureExtractor(nn.Module):
    """A timm model's layers, with the image normalised and padded as it needs.

    What `Backbone` and `Pyramid` share.

    Args:
        model: a timm model.
        name: what the features are called in files.

    Attributes:
        multiple: the image is padded to whole multiples of this, in pixels.
    """

    model: Any
    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, *, name: str = "custom"):
        super().__init__()
        self.model, self.name = model, name
        self.layers = [(layer["reduction"], layer["num_chs"]) for layer in self.model.feature_info]
        self.multiple = max(stride for stride, _ in self.layers)
        self.norm = type(model).__name__ not in WITHOUT_FINAL_NORM
        config = self.model.pretrained_cfg
        self.only = config["input_size"][1:] if config.get("fixed_input_size") else None
        for statistic in ("mean", "std"):
            value = torch.tensor(config[statistic]).view(1, 3, 1, 1)
            self.register_buffer(statistic, value, persistent=False)

    def deepest(self, stride: int) -> int:
        """The number of the last layer of that stride.

        Raises:
            ValueError: if no layer has it.
        """
        strides = [reduction for reduction, _ in self.layers]
        if stride not in strides:
            offered = ", ".join(map(str, sorted(set(strides))))
            raise ValueError(f"stride must be one of {offered} for {self.name}, got {stride}")
        return len(strides) - 1 - strides[::-1].index(stride)

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The pixels, rows and columns, that the features of an image of this size cover."""
        height, width = (-(-n // self.multiple) * self.multiple for n in size)
        return height, width

    def maps(self, image: Float[Tensor, "b 3 H W"], layers: list[int]) -> list[Tensor]:
        """What these layers make of the padded image, from the first to the last."""
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"image must be (batch, 3, height, width), got {tuple(image.shape)}")
        image = pad_image(image, self.padded_size((image.shape[2], image.shape[3])))
        image = (image - self.mean.to(image)) / self.std.to(image)
        self._take(image.shape[2], image.shape[3])
        return self.model.forward_intermediates(
            image, indices=layers, norm=self.norm, output_fmt="NCHW", intermediates_only=True
        )

    def _take(self, height: int, width: int) -> None:
        """Prepare a network whose parts depend on the image's size."""
        if getattr(self.model, "dynamic_img_size", False):
            return
        if hasattr(self.model, "set_input_size"):
            self.model.set_input_size(img_size=(height, width))
        elif self.only and self.only != (height, width):
            raise ValueError(
                f"{self.name} takes images of {self.only[0]} x {self.only[1]} pixels only "
                f"(timm cannot resize it), got {height} x {width} with padding"
            )


class Backbone(TimmFeatureExtractor):
    """A network's dense features, with the image normalised and padded as it needs.

    Args:
        model: a timm model.
        stride: of the features, in pixels; the deepest layer of that stride is taken.
            By default that of the last layer.
        name: what the features are called in files.

    Attributes:
        channels, stride: of the features.
        multiple: the image is padded to whole multiples of this, in pixels.

    Raises:
        ValueError: if no layer has that stride.
    """

    def __init__(self, model: nn.Module, stride: int | None = None, *, name: str = "custom"):
        super().__init__(model, name=name)
        self.stride = self.layers[-1][0] if stride is None else stride
        self.layer = self.deepest(self.stride)
        self.channels = self.layers[self.layer][1]

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Features of the padded image.

        Args:
            image: RGB in [0, 1], of any size.
        """
        return self.maps(image, [self.layer])[0]


def create_backbone(
    name: str = DEFAULT_BACKBONE,
    pretrained: bool = True,
    *,
    stride: int | None = None,
    weights: str | Path | None = None,
) -> Backbone:
    """Dense features from a timm model, in evaluation mode.

    Args:
        name: a model name of timm. The default needs no download: its ImageNet weights are
            a package.
        pretrained: with trained weights; timm fetches those of other models on first use.
        stride: of the features in pixels; by default that of the last layer.
        weights: a safetensors file in timm's layout, instead of the usual weights.

    Raises:
        ValueError: if there is no such model or stride, or the file does not fit the model.
        OSError: if the weights can be neither found nor downloaded.
    """
    return Backbone(
        create_timm_model(name, pretrained, weights, num_classes=0), stride, name=name
    ).eval()


def create_timm_model(
    name: str,
    pretrained: bool,
    weights: str | Path | None,
    num_classes: int | None,
    **options: Any,
) -> nn.Module:
    """A timm model with its weights; with all its classes, or another number.

    Args:
        name, pretrained, weights: as for `create_backbone`.
        num_classes: None for all that the weights know.
        options: of `timm.create_model`.
    """
    import timm

    if not timm.is_model(name):
        near = (
            ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5]) or "see timm.list_models()"
        )
        raise ValueError(f"backbone must be a timm model, got {name!r}; such as: {near}")
    download = pretrained and weights is None and not has_packaged_weights(name)
    if num_classes is not None:
        options["num_classes"] = num_classes
    model = _create_model(timm, name, download, options)
    if weights is not None:
        _load_weights(model, Path(weights))
    elif pretrained and not download:
        load_packaged_weights(model, name)
    return model


def _create_model(
    timm: ModuleType, name: str, download: bool, options: dict[str, Any]
) -> nn.Module:
    for more in ({"dynamic_img_size": True}, {}):  # of transformers; others know no such word
        try:
            return timm.create_model(name, pretrained=download, **options, **more)
        except TypeError as error:
            if "dynamic_img_size" not in str(error):
                raise
        except Exception as error:
            if not download:
                raise
            raise OSError(
                f"the weights of {name} could not be downloaded ({type(error).__name__}); "
                "connect once, give a file (weights=, --backbone_weights) or use pretrained=False"
            ) from error
    raise AssertionError("unreachable")


def _load_weights(model: nn.Module, path: Path) -> None:
    from safetensors.torch import load_file

    state = {key: value for key, value in load_file(path).items() if key in model.state_dict()}
    missing = sorted(model.state_dict().keys() - state.keys())
    if missing:
        raise ValueError(f"{path} lacks {len(missing)} tensors of the model, such as {missing[0]}")
    model.load_state_dict(state)


def convert_to_sync_batchnorm(network: nn.Module) -> nn.Module:
    """The network with batch statistics of all processes; PyTorch's own way loses activations."""
    from timm.layers import convert_sync_batchnorm

    return convert_sync_batchnorm(network)
