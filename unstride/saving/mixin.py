"""Gives a module `save_pretrained`, `from_pretrained` and `push_to_hub`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from unstride.saving.configuration import constructor_config
from unstride.saving.folder import load_model, save_model
from unstride.saving.huggingface import download_folder, upload_folder

Saved = TypeVar("Saved", bound="SavingMixin")  # not Self: beartype accepts it in classes only


def _record_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """Wraps `__init__` so that the arguments it is called with are kept for `save_pretrained`."""

    @wraps(init)
    def recording_init(self, *args, **options):
        vars(self).setdefault("made_with", (args, options))  # the subclass's, not its parent's
        init(self, *args, **options)

    return recording_init


class SavingMixin(nn.Module):
    """A module that records its constructor arguments, so that it can be built again."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # what __init__ was given

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.__init__ = _record_arguments(cls.__init__)  # type: ignore[method-assign]

    def to_config(self) -> dict[str, Any]:
        """The content of config.json: name, channels, scale and options."""
        return constructor_config(self, self.made_with)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors and a model card into a folder.

        Args:
            folder: output folder. Created if it does not exist. An existing README.md is kept.

        Raises:
            ValueError: if JSON cannot hold an option.
        """
        save_model(folder, self.to_config(), self)

    @classmethod
    def from_pretrained(
        cls: type[Saved],
        where: str | Path,
        *,
        channels: int | None = None,
        revision: str | None = None,
        classes: Sequence[type[SavingMixin]] = (),
    ) -> Saved:
        """Load what `save_pretrained` wrote, in evaluation mode.

        Args:
            where: a folder, or a repository USER/NAME of the Hugging Face Hub.
            channels: channels of your features, if the weights do not depend on them.
            revision: branch, tag or commit of the repository.
            classes: user-defined classes that may occur inside a cascade.

        Raises:
            ValueError: if a file is missing or damaged, if the weights do not fit the
                configuration, or if the folder holds another kind of upsampler.
            OSError: if the repository cannot be downloaded.
        """
        folder = download_folder(where, revision)
        model = load_model(folder, (cls, *classes), channels=channels)
        if not isinstance(model, cls):
            raise ValueError(f"{where} holds a {type(model).__name__}, not a {cls.__name__}")
        return model

    def push_to_hub(
        self, repository: str, *, private: bool | None = None, message: str = "Upload with unstride"
    ) -> str:
        """Upload what `save_pretrained` writes; returns the address of the repository.

        Args:
            repository: USER/NAME on the Hugging Face Hub. Created if it does not exist. An
                existing README.md is kept.
            private: visibility of a new repository. Default: the setting of your account.
            message: commit message.

        Raises:
            OSError: if the upload fails.
        """
        return upload_folder(self.save_pretrained, repository, private=private, message=message)
