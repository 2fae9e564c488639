"""Builds models from command-line arguments: names, options and weight files."""

import json
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.features.dense_features import DenseFeatures
from unstride.features.implicit import ImplicitFeatures
from unstride.saving.configuration import describe
from unstride.saving.fingerprint import weights_fingerprint
from unstride.upsamplers.from_words import image_guided_upsampler, parse_upsampler


def build_model(
    backbone: str,
    upsampler: str,
    stride: int | None,
    *,
    stages: int = 1,
    upsampler_weights: Path | None = None,
    backbone_weights: Path | None = None,
    fit_steps: int | None = None,
) -> tuple[DenseFeatures, dict[str, str]]:
    """Build a model, and the metadata that identifies it in files.

    Args:
        backbone: a timm model name, or torchvision/NAME.
        upsampler: a name of `unstride list`, with options after a colon.
        stride: stride of the backbone's features, in pixels. Default: that of its last layer.
        stages: number of upsampling steps.
        upsampler_weights: a safetensors file, a state dict that torch wrote, or a folder from
            `save_pretrained`.
        backbone_weights: a file in timm's layout, see `create_backbone`. Default: timm's weights.
        fit_steps: maximum number of steps of featup_implicit's fit. Default: its own.

    Raises:
        ValueError: if there is no such model or option, or options contradict each other.
    """
    backbone_model = create_backbone(backbone, stride=stride, weights=backbone_weights)
    metadata = _metadata(backbone_model, upsampler)
    name, options = parse_upsampler(upsampler)
    if name == "featup_implicit":
        if upsampler_weights is not None or stages != 1:
            raise ValueError(
                f"weights and stages cannot be set for {name}, it is fitted to each image"
            )
        if fit_steps is not None:
            options |= {"steps": fit_steps}
        fitted = ImplicitFeatures(backbone_model, **options)
        return fitted.eval(), metadata | {"fit": str(fitted.fit_options)}
    if fit_steps is not None:
        raise ValueError(f"steps can only be set for featup_implicit, got upsampler {name}")
    if stages != 1:
        options = {"stages": stages} | options
    up = image_guided_upsampler(
        name, options, backbone_model.channels, backbone_model.stride, upsampler_weights
    )
    metadata |= {"upsampler_weights": weights_fingerprint(up)}
    if upsampler_weights is not None and upsampler_weights.is_dir():
        metadata["upsampler_made_with"] = json.dumps(describe(up), sort_keys=True)
    return DenseFeatures(backbone_model, up).eval(), metadata


def _metadata(backbone: Backbone, upsampler: str) -> dict[str, str]:
    return {
        "backbone": backbone.name,
        "stride": str(backbone.stride),
        "weights": weights_fingerprint(backbone),
        "mean": _numbers(backbone.mean),
        "std": _numbers(backbone.std),
        "upsampler": upsampler,
        "unstride": version("unstride"),
    }


def _numbers(statistic: Tensor) -> str:
    """A number for each channel, as people write them: 0.485,0.456,0.406."""
    return ",".join(f"{value:.6g}" for value in statistic.flatten().tolist())
