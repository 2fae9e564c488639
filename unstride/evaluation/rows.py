"""Rows of the table: a word and its options, an upsampler, or a fit for each image."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstride.evaluation.frozen import Frozen
from unstride.models.batch import fingerprint, saved_upsampler
from unstride.models.implicit import chosen, fit_by
from unstride.models.implicit_recipe import Recipe
from unstride.upsamplers import UPSAMPLERS, create_upsampler
from unstride.upsamplers.folder import load_weights

Fit = Callable[[Frozen, Tensor, Tensor], nn.Module]


@dataclass
class Row:
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
    fit: Fit | None = None
    state: str = ""
    fitted: dict[str, nn.Module] = field(default_factory=dict, repr=False)

    def upsampler(self, frozen: Frozen, image: Tensor, features: Tensor) -> nn.Module:
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
        return {"row": self.label, "module": repr(self.module), "tensors": fingerprint(self.module)}


@dataclass(frozen=True)
class ImplicitFit:
    """FeatUp's implicit network, fitted to the image.

    Args:
        recipe: how.
    """

    recipe: Recipe

    def __call__(self, frozen: Any, image: Tensor, features: Tensor) -> nn.Module:
        """The fitted network; the features are what the backbone says of the image."""
        del features
        return fit_by(self.recipe, frozen, image)


def create_row(given: "str | nn.Module | Row", channels: int, stride: int) -> Row:
    """A row from what a user wrote: "joint_bilateral:kernel_size=3,label=small", or a module.

    Args:
        given: a word of `unstride list`, with options after a colon, separated by commas;
            or an upsampler; or a row.
        channels: of the features.
        stride: of the features, which the upsampler undoes.

    Raises:
        ValueError: if there is no such upsampler or option, or it cannot take an image.
    """
    if isinstance(given, Row):
        return given
    if isinstance(given, nn.Module):
        return Row(type(given).__name__, given.eval())
    name, _, text = given.partition(":")
    options = parse_options(text)
    label = str(options.pop("label", given))
    if name == "featup_implicit":
        recipe = chosen(str(options.pop("variant", "default")), options)
        return Row(label, fit=ImplicitFit(recipe), state="fitted to each image")
    path = Path(str(options.pop("weights"))) if "weights" in options else None
    if path is not None and path.is_dir():
        if options:
            raise ValueError(f"weights={path} is a folder, which says all but a label: {given}")
        return Row(label, saved_upsampler(path, name, channels).eval(), state=path.name)
    module = _built(name, channels, stride, options)
    if path is not None:
        load_weights(module, path, name)
    state = _state(name, module, options) if path is None else path.name
    return Row(label, module.eval(), state=state)


def parse_options(text: str) -> dict[str, Any]:
    """Options as they are written: "kernel_size=3,mix=false,variant=paper".

    Raises:
        ValueError: if a part is not NAME=VALUE.
    """
    options = {}
    for part in text.split(",") if text else []:
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise ValueError(f"options of an upsampler must be NAME=VALUE, got {part!r}")
        options[name] = _value(value)
    return options


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _built(name: str, channels: int, stride: int, options: dict[str, Any]) -> nn.Module:
    """The upsampler, by default in steps of 2 if it learns and was published for scale 2."""
    if "stages" not in options and name in UPSAMPLERS:
        options = options | {"stages": stages_of(name, channels, stride)}
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)  # untrained rows are the same in every run
            module = create_upsampler(name, channels, stride, **({"guide_channels": 3} | options))
    except TypeError as error:
        raise ValueError(f"options of {name}: {error}") from None
    if module.guide_channels not in (None, 3):
        raise ValueError(
            f"{name} cannot be evaluated: its guide must have {module.guide_channels} channels, "
            "and an image has 3"
        )
    return module


def stages_of(name: str, channels: int, stride: int) -> int:
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


def _state(name: str, module: nn.Module, options: dict[str, Any]) -> str:
    if next(module.parameters(), None) is None:
        return ""
    pretrained = signature(UPSAMPLERS[name]).parameters.get("pretrained")
    shipped = pretrained is not None and options.get("pretrained", pretrained.default)
    return "shipped" if shipped else "untrained"
