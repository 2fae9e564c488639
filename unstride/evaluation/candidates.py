"""Candidates for evaluation: an upsampler by name, a module, or a fit for each image."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.frozen_features import FrozenBackbone
from unstride.features.dense_features import DenseFeatures
from unstride.features.implicit import fit_with_options
from unstride.features.implicit_options import ImplicitOptions, variant_options
from unstride.random_numbers import seeded
from unstride.saving.fingerprint import weights_fingerprint
from unstride.upsamplers.by_name import UPSAMPLERS, create_upsampler
from unstride.upsamplers.from_words import (
    has_packaged_weights,
    image_guided_upsampler,
    parse_upsampler,
)

FitFunction = Callable[[FrozenBackbone, Tensor, Tensor], nn.Module]


@dataclass
class Candidate:
    """A row of the table: an upsampler to measure, or a function that fits one to each image.

    Args:
        label: name in the table.
        module: called as an upsampler is. Either this or `fit` is given.
        fit: `fit(backbone, image, features)` makes such a module for one image. The backbone
            returns features that are standardised like `features`.
        weights_origin: where the weights come from: "untrained", "shipped", the name of a file
            of weights, or "" for an upsampler without parameters.
        fit_cache: fitted modules, by a digest of the image and its features.
    """

    label: str
    module: nn.Module | None = None
    fit: FitFunction | None = None
    weights_origin: str = ""
    fit_cache: dict[str, nn.Module] = field(default_factory=dict, repr=False)

    def upsampler_for(self, backbone: FrozenBackbone, image: Tensor, features: Tensor) -> nn.Module:
        """Return the upsampler for an image; each image is fitted only once."""
        if self.module is not None:
            return self.module
        assert self.fit is not None
        inputs = (tensor.detach().cpu().numpy().tobytes() for tensor in (image, features))
        digest = hashlib.sha256(b"".join(inputs)).hexdigest()
        if digest not in self.fit_cache:
            with torch.inference_mode(False), torch.enable_grad():
                upsampler = self.fit(backbone, image.clone(), features.clone())
            self.fit_cache[digest] = upsampler.eval()
        return self.fit_cache[digest]

    def grid_features(
        self, grid: FeatureGrid, image: Tensor, coarse: Float[Tensor, "1 c h w"]
    ) -> Float[Tensor, "1 c H W"]:
        """Standardise the backbone's features of an image and upsample them to a grid."""
        features = grid.backbone.standardise(coarse)
        upsampler = self.upsampler_for(grid.backbone, image, features)
        return grid.upsample(upsampler, features, image)

    def pixel_features(
        self, backbone: FrozenBackbone, image: Tensor, coarse: Float[Tensor, "1 c h w"]
    ) -> Float[Tensor, "1 c H W"]:
        """Standardise the backbone's features and upsample them as `DenseFeatures` does."""
        features = backbone.standardise(coarse)
        upsampler = self.upsampler_for(backbone, image, features)
        like_backbone: Any = backbone
        return DenseFeatures(like_backbone, upsampler).upsample(features, image)

    def cache_key(self) -> dict[str, str]:
        """Return what the candidate's results depend on."""
        if self.module is None:
            return {"row": self.label, "fit": getattr(self.fit, "__qualname__", repr(self.fit))}
        return {
            "row": self.label,
            "module": repr(self.module),
            "tensors": weights_fingerprint(self.module),
        }


@dataclass(frozen=True)
class ImplicitFit:
    """Fits FeatUp's implicit network to an image.

    Args:
        options: options of the fit.
    """

    options: ImplicitOptions

    def __call__(self, backbone: Any, image: Tensor, features: Tensor) -> nn.Module:
        """Return the fitted network; `features` are unused, the backbone computes its own."""
        del features
        return fit_with_options(self.options, backbone, image)


def create_candidate(spec: "str | nn.Module | Candidate", channels: int, stride: int) -> Candidate:
    """Create a candidate from text, such as "joint_bilateral:kernel_size=3,label=small".

    Args:
        spec: a name from `unstride list`, with options after a colon, separated by commas;
            or an upsampler; or a candidate, which is returned as it is.
        channels: number of channels of the features.
        stride: stride of the features in pixels, which the upsampler undoes.

    Raises:
        ValueError: if there is no such upsampler or option, or the upsampler cannot take an image
            as its guide.
    """
    if isinstance(spec, Candidate):
        return spec
    if isinstance(spec, nn.Module):
        return Candidate(type(spec).__name__, spec.eval())
    name, options = parse_upsampler(spec)
    label = str(options.pop("label", spec))
    if name == "featup_implicit":
        fit_options = variant_options(str(options.pop("variant", "default")), options)
        return Candidate(label, fit=ImplicitFit(fit_options), weights_origin="fitted to each image")
    path = Path(str(options.pop("weights"))) if "weights" in options else None
    is_saved_upsampler = path is not None and path.is_dir()
    if "stages" not in options and name in UPSAMPLERS and not is_saved_upsampler:
        options["stages"] = num_stages(name, channels, stride)
    with seeded(0):  # untrained candidates are the same in every run
        module = image_guided_upsampler(name, options, channels, stride, path)
    origin = _weights_origin(name, module, options) if path is None else path.name
    return Candidate(label, module.eval(), weights_origin=origin)


def num_stages(name: str, channels: int, stride: int) -> int:
    """Return in how many doublings an operator reaches a stride, or 1 if it takes one step.

    An operator that learns and was published for scale 2 is repeated: at stride 32 in one step,
    some would need billions of parameters.
    """
    scale = signature(UPSAMPLERS[name]).parameters.get("scale")
    power_of_two = stride > 1 and stride & (stride - 1) == 0
    if scale is None or scale.default != 2 or not power_of_two:
        return 1
    with torch.device("meta"):
        example = create_upsampler(name, channels, 2, guide_channels=3)
    learns = next(example.parameters(), None) is not None
    return stride.bit_length() - 1 if learns else 1


def _weights_origin(name: str, module: nn.Module, options: dict[str, Any]) -> str:
    if next(module.parameters(), None) is None:
        return ""
    return "shipped" if has_packaged_weights(name, options) else "untrained"
