"""Rows of the table: a word and its options, an upsampler, or a fit for each image."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.evaluation.frozen_features import FrozenBackbone
from unstride.features.implicit import fit_with_options
from unstride.features.implicit_options import ImplicitOptions, variant_options
from unstride.saving.fingerprint import weights_fingerprint
from unstride.upsamplers.by_name import (
    UPSAMPLERS,
    create_upsampler,
)
from unstride.upsamplers.from_words import (
    has_packaged_weights,
    image_guided_upsampler,
    parse_upsampler,
)

FitFunction = Callable[[FrozenBackbone, Tensor, Tensor], nn.Module]


@dataclass
class Candidate:
    """What the evaluation calls an upsampler, and how it comes by it.

    Args:
        label: in the table.
        module: called as an upsampler is; or
        fit: makes such a module for one image: fit(backbone, image, features), where the
            backbone's answers are standardised as the features are.
        state: "untrained", "shipped", the name of a file of weights, or "" without parameters.
    """

    label: str
    module: nn.Module | None = None
    fit: FitFunction | None = None
    state: str = ""
    fitted: dict[str, nn.Module] = field(default_factory=dict, repr=False)

    def upsampler(self, frozen: FrozenBackbone, image: Tensor, features: Tensor) -> nn.Module:
        """The upsampler for this image; one that was fitted before is not fitted again."""
        if self.module is not None:
            return self.module
        assert self.fit is not None
        seen = (t.detach().cpu().numpy().tobytes() for t in (image, features))
        digest = hashlib.sha256(b"".join(seen)).hexdigest()
        if digest not in self.fitted:
            with torch.inference_mode(False), torch.enable_grad():
                made = self.fit(frozen, image.clone(), features.clone())
            self.fitted[digest] = made.eval()
        return self.fitted[digest]

    def described(self) -> dict[str, str]:
        """What its results depend on."""
        if self.module is None:
            return {"row": self.label, "fit": getattr(self.fit, "__qualname__", repr(self.fit))}
        return {
            "row": self.label,
            "module": repr(self.module),
            "tensors": weights_fingerprint(self.module),
        }


@dataclass(frozen=True)
class ImplicitFit:
    """FeatUp's implicit network, fitted to the image.

    Args:
        recipe: how.
    """

    recipe: ImplicitOptions

    def __call__(self, frozen: Any, image: Tensor, features: Tensor) -> nn.Module:
        """The fitted network; the features are what the backbone says of the image."""
        del features
        return fit_with_options(self.recipe, frozen, image)


def create_candidate(given: "str | nn.Module | Candidate", channels: int, stride: int) -> Candidate:
    """A row from what a user wrote: "joint_bilateral:kernel_size=3,label=small", or a module.

    Args:
        given: a word of `unstride list`, with options after a colon, separated by commas;
            or an upsampler; or a row.
        channels: of the features.
        stride: of the features, which the upsampler undoes.

    Raises:
        ValueError: if there is no such upsampler or option, or it cannot take an image.
    """
    if isinstance(given, Candidate):
        return given
    if isinstance(given, nn.Module):
        return Candidate(type(given).__name__, given.eval())
    name, options = parse_upsampler(given)
    label = str(options.pop("label", given))
    if name == "featup_implicit":
        recipe = variant_options(str(options.pop("variant", "default")), options)
        return Candidate(label, fit=ImplicitFit(recipe), state="fitted to each image")
    path = Path(str(options.pop("weights"))) if "weights" in options else None
    given_whole = path is not None and path.is_dir()
    if "stages" not in options and name in UPSAMPLERS and not given_whole:
        options["stages"] = num_stages(name, channels, stride)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # untrained rows are the same in every run
        module = image_guided_upsampler(name, options, channels, stride, path)
    state = _weights_origin(name, module, options) if path is None else path.name
    return Candidate(label, module.eval(), state=state)


def num_stages(name: str, channels: int, stride: int) -> int:
    """In how many doublings an operator reaches the stride, 1 if it does so in one step.

    An operator that learns and was published for scale 2 is repeated: at 32 in one step some
    would need billions of parameters.
    """
    scale = signature(UPSAMPLERS[name]).parameters.get("scale")
    power_of_two = stride > 1 and stride & (stride - 1) == 0
    if scale is None or scale.default != 2 or not power_of_two:
        return 1
    with torch.device("meta"):
        probe = create_upsampler(name, channels, 2, guide_channels=3)
    learns = next(probe.parameters(), None) is not None
    return stride.bit_length() - 1 if learns else 1


def _weights_origin(name: str, module: nn.Module, options: dict[str, Any]) -> str:
    if next(module.parameters(), None) is None:
        return ""
    return "shipped" if has_packaged_weights(name, options) else "untrained"
