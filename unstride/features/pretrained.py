"""Loads what `save_pretrained` wrote: an upsampler, or dense features with their backbone."""

from collections.abc import Sequence
from pathlib import Path

from unstride.features.dense_features import DenseFeatures
from unstride.saving.folder import read_config
from unstride.saving.huggingface import download_folder
from unstride.upsamplers import Upsampler


def from_pretrained(
    folder_or_repo: str | Path,
    *,
    revision: str | None = None,
    classes: Sequence[type[Upsampler]] = (),
) -> Upsampler | DenseFeatures:
    """Load an upsampler or dense features that `save_pretrained` wrote, in evaluation mode.

    Args:
        folder_or_repo: a folder, or a repository USER/NAME on the Hugging Face Hub.
        revision: branch, tag or commit of the repository.
        classes: user-defined upsamplers that the configuration may name.

    Raises:
        ValueError: if a file is missing or damaged, or the weights do not fit the configuration.
        OSError: if the repository cannot be downloaded.
    """
    folder = download_folder(folder_or_repo, revision)
    if "backbone" in read_config(folder):
        return DenseFeatures.from_pretrained(folder, classes=classes)
    return Upsampler.from_pretrained(folder, classes=classes)
