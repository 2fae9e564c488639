"""Dense features as a folder or a repository of the Hub: backbone, upsampler, all tensors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.features.dense_features import DenseFeatures
from unstride.upsamplers import Upsampler
from unstride.saving.configuration import describe, make
from unstride.saving.folder import (
    CONFIG,
    WEIGHTS,
    load_weights,
    read_config,
    refusing,
    write_folder,
)
from unstride.saving.huggingface import fetched


def from_pretrained(
    where: str | Path, *, revision: str | None = None, classes: Sequence[type[Upsampler]] = ()
) -> Upsampler | DenseFeatures:
    """What `save_pretrained` wrote, an upsampler or dense features, in evaluation mode.

    Args:
        where: the folder, or a repository USER/NAME of the Hugging Face Hub.
        revision: branch, tag or commit of the repository.
        classes: upsamplers of yours that it may name.

    Raises:
        ValueError: if a file is missing or broken, or one does not fit the other.
        OSError: if the repository could not be fetched.
    """
    folder = fetched(where, revision)
    config = read_config(folder)
    if "backbone" not in config:
        return Upsampler.from_pretrained(folder, classes=classes)
    with refusing(folder / CONFIG):
        described = config["backbone"]
        trunk = create_backbone(described["name"], pretrained=False, stride=described["stride"])
        model = DenseFeatures(trunk, make(config["upsampler"], classes))
    load_weights(model, folder / WEIGHTS, "model")
    return model.eval()


def write_dense_features(model: DenseFeatures, folder: str | Path) -> None:
    """Write a model, its backbone's tensors included, since they may have been trained too.

    Raises:
        ValueError: if its backbone is not of `create_backbone`, or its upsampler cannot be saved.
    """
    write_folder(folder, _described(model), model)


def _described(model: DenseFeatures) -> dict[str, Any]:
    trunk = model.backbone
    if not isinstance(trunk, Backbone) or trunk.name == "custom":
        raise ValueError(
            "backbone must come from create_backbone for the model to be saved, "
            f"got a {type(trunk).__name__}; save its upsampler alone"
        )
    backbone = {"name": trunk.name, "stride": trunk.stride}
    return {"backbone": backbone, "upsampler": describe(model.upsampler)}
