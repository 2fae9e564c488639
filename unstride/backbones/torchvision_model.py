"""Models of torchvision with the interface that timm's models have: features of any layer.

A model is a list of steps, each of which takes the features of the last one. Parameters keep
torchvision's names; the classifier is left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unstride.backbones.weights_file import load_weights_file
from unstride.formats.downloads import download_timeout

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLASSIFIERS = ("fc", "classifier", "head", "heads", "avgpool", "permute", "flatten")
SIDE = 64  # of the image that tells strides and channels


class TorchvisionModel(nn.Module):
    """A convolutional network of torchvision, or a Swin transformer.

    Args:
        model: a classifier of `torchvision.models`. Its parts move into this module.
        name: its name, for error messages.

    Attributes:
        feature_info: stride (`reduction`) and channels (`num_chs`) of each step, as timm has it.
        pretrained_cfg: statistics of the images.

    Raises:
        ValueError: if the model is not a list of steps, or cells of a step are of unequal sizes.
    """

    norm: nn.Module

    def __init__(self, model: nn.Module, name: str):
        super().__init__()
        self.steps = steps_of(model, name)
        self.is_channels_last = type(model).__name__ == "SwinTransformer"
        for part, module in model.named_children():
            if part not in CLASSIFIERS:
                self.add_module(part, module)
        self.pretrained_cfg: dict[str, Any] = dict(IMAGENET)
        self.feature_info: list[dict[str, int]] = []
        was_training = self.training
        with torch.no_grad():
            shapes = [f.shape for f in self.eval()._run(torch.zeros(1, 3, SIDE, SIDE))]
        self.train(was_training)
        for shape in shapes:
            if SIDE % shape[2]:
                raise ValueError(f"{name} has cells of unequal sizes: choose another backbone")
            self.feature_info.append({"reduction": SIDE // shape[2], "num_chs": shape[1]})

    def forward_intermediates(
        self,
        image: Float[Tensor, "b 3 h w"],
        indices: Sequence[int],
        *,
        norm: bool = True,
        output_fmt: str = "NCHW",
        intermediates_only: bool = True,
    ) -> list[Tensor]:
        """Features "b c h w" of these steps. The last step has the final norm, if there is one."""
        features = self._run(image, max(indices) + 1)
        return [features[i] for i in sorted(indices)]

    def prune_intermediate_layers(self, indices: Sequence[int], **options: bool) -> None:
        """Remove the steps after the last of these, and the final norm with them."""
        kept = max(indices) + 1
        for path in [path for step in self.steps[kept:] for path in step]:
            parent, _, part = path.rpartition(".")
            delattr(self.get_submodule(parent), part)
        if kept < len(self.steps) and hasattr(self, "norm"):
            del self.norm
        self.steps, self.feature_info = self.steps[:kept], self.feature_info[:kept]

    def _run(self, image: Tensor, number: int | None = None) -> list[Tensor]:
        features: list[Tensor] = []
        for step in self.steps[:number]:
            for path in step:
                image = self.get_submodule(path)(image)
            shown = image
            if len(features) == len(self.steps) - 1 and hasattr(self, "norm"):
                shown = self.norm(image)
            features.append(shown.permute(0, 3, 1, 2) if self.is_channels_last else shown)
        return features


class TorchvisionViT(nn.Module):
    """A vision transformer of torchvision, for images of any size: positions are interpolated.

    Args:
        model: a `VisionTransformer` of torchvision. Its parts move into this module.

    Attributes:
        feature_info, pretrained_cfg: see `TorchvisionModel`.
        dynamic_img_size: as timm says that a model takes images of any size.
    """

    dynamic_img_size = True

    def __init__(self, model: Any):
        super().__init__()
        self.conv_proj, self.encoder = model.conv_proj, model.encoder
        self.class_token = model.class_token
        self.grid = model.image_size // model.patch_size
        self.pretrained_cfg: dict[str, Any] = dict(IMAGENET)
        layer = {"reduction": model.patch_size, "num_chs": model.hidden_dim}
        self.feature_info = [layer for _ in self.encoder.layers]

    def forward_intermediates(
        self,
        image: Float[Tensor, "b 3 h w"],
        indices: Sequence[int],
        *,
        norm: bool = True,
        output_fmt: str = "NCHW",
        intermediates_only: bool = True,
    ) -> list[Tensor]:
        """Features "b c h w" of these layers, with the final norm."""
        patches = self.conv_proj(image)
        rows, columns = patches.shape[2:]
        tokens = torch.cat(
            [self.class_token.expand(len(image), -1, -1), patches.flatten(2).mT], dim=1
        )
        tokens = self.encoder.dropout(tokens + self._positions(rows, columns))
        features = []
        for i, layer in enumerate(self.encoder.layers):
            tokens = layer(tokens)
            if i in indices:
                cells = self.encoder.ln(tokens) if norm else tokens
                features.append(cells[:, 1:].mT.unflatten(2, (rows, columns)))
        return features

    def _positions(self, rows: int, columns: int) -> Float[Tensor, "1 n c"]:
        """The embeddings of the class token and of the cells of a grid."""
        positions = self.encoder.pos_embedding
        if (rows, columns) == (self.grid, self.grid):
            return positions
        cells = positions[:, 1:].mT.unflatten(2, (self.grid, self.grid))
        resized = interpolate(cells, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([positions[:, :1], resized.flatten(2).mT], dim=1)


def steps_of(model: Any, name: str) -> list[tuple[str, ...]]:
    """Paths of the modules of each step.

    Raises:
        ValueError: if the model is not a list of steps.
    """
    if hasattr(model, "layer1"):
        return [
            ("conv1", "bn1", "relu"),
            ("maxpool", "layer1"),
            *((f"layer{i}",) for i in (2, 3, 4)),
        ]
    if hasattr(model, "trunk_output"):
        return [
            ("stem",),
            *((f"trunk_output.{part}",) for part, _ in model.trunk_output.named_children()),
        ]
    if hasattr(model, "stage2"):
        return [("conv1",), ("maxpool",), ("stage2",), ("stage3",), ("stage4",), ("conv5",)]
    parts = getattr(model, "features", getattr(model, "layers", None))
    if not isinstance(parts, nn.Sequential):
        raise ValueError(f"torchvision/{name} is not supported; see timm.list_models()")
    container = "features" if hasattr(model, "features") else "layers"
    return [(f"{container}.{part}",) for part, _ in parts.named_children()]


def create_torchvision_model(
    name: str, pretrained: bool, weights: str | Path | None
) -> TorchvisionModel | TorchvisionViT:
    """Create a classification model of torchvision, and load its weights.

    Args:
        name: name in `torchvision.models`, such as resnet50.
        pretrained: load torchvision's default weights.
        weights: file to load instead: a state dict with torchvision's names.

    Raises:
        ValueError: if there is no such model, or it is not supported, or the file does not fit it.
        OSError: if the weights cannot be downloaded.
    """
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        similar = ", ".join([n for n in names if n.startswith(name[:4])][:5])
        raise ValueError(
            f"backbone must be a classification model of torchvision, got torchvision/{name}; "
            f"similar names: {similar or ', '.join(names[:5])}"
        )
    download = pretrained and weights is None
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    try:
        with download_timeout():
            model = models.get_model(name, weights="DEFAULT" if download else None, **extra)
    except URLError as error:
        raise OSError(
            f"the weights of torchvision/{name} could not be downloaded ({error.reason}); connect "
            "to the internet, pass a weights file (weights=, --backbone-weights) or use "
            "pretrained=False"
        ) from error
    is_vit = type(model).__name__ == "VisionTransformer"
    adapted = TorchvisionViT(model) if is_vit else TorchvisionModel(model, f"torchvision/{name}")
    if weights is not None:
        load_weights_file(adapted, Path(weights))
    return adapted
