"""From what a user wrote to a model: words of `unstride list` with options, weights in files."""

import json
from importlib.metadata import version
from pathlib import Path

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
    weights: Path | None = None,
    backbone_weights: Path | None = None,
    steps: int | None = None,
) -> tuple[DenseFeatures, dict[str, str]]:
    """The model, and what a file must say about it."""
    trunk = create_backbone(backbone, stride=stride, weights=backbone_weights)
    name, options = parse_upsampler(upsampler)
    if name == "featup_implicit":
        if weights is not None or stages != 1:
            raise ValueError("weights and stages are none of featup_implicit's: it is fitted")
        model = ImplicitFeatures(trunk, **options | ({} if steps is None else {"steps": steps}))
        return model.eval(), _metadata(trunk, upsampler) | {"fit": str(model.recipe)}
    if steps is not None:
        raise ValueError(f"steps are of featup_implicit, which is fitted; {name} is not")
    if stages != 1:
        options = {"stages": stages} | options
    up = image_guided_upsampler(name, options, trunk.channels, trunk.stride, weights)
    described = _metadata(trunk, upsampler) | {"upsampler_weights": weights_fingerprint(up)}
    if weights is not None and weights.is_dir():
        described["upsampler_made_with"] = json.dumps(describe(up), sort_keys=True)
    return DenseFeatures(trunk, up).eval(), described


def _metadata(trunk: Backbone, upsampler: str) -> dict[str, str]:
    return {
        "backbone": trunk.name,
        "stride": str(trunk.stride),
        "weights": weights_fingerprint(trunk),
        "upsampler": upsampler,
        "unstride": version("unstride"),
    }
