"""Gives a module `save_pretrained`, `from_pretrained` and `push_to_hub`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from unstride.saving.argument_checks import check_call
from unstride.saving.configuration import constructor_config
from unstride.saving.folder import load_model, save_model
from unstride.saving.huggingface import download_folder, upload_folder

Saved = TypeVar("Saved", bound="SavingMixin")  # not Self: beartype accepts it in classes only


def _record_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap `__init__` so that its arguments are checked, and recorded for `save_pretrained`."""

    @wraps(init)
    def recording_init(self, *args, **options):
        check_call(init, (self, *args), options)
        # setdefault keeps the arguments of the subclass, whose __init__ calls its parent's.
        vars(self).setdefault("init_arguments", (args, options))
        init(self, *args, **options)

    return recording_init


class SavingMixin(nn.Module):
    """A module that records its constructor arguments, so that it can be built again.

    Arguments whose annotations declare a range are checked first (`argument_checks`).

    Attributes:
        init_arguments: positional and keyword arguments of the constructor.
    """

    init_arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.__init__ = _record_arguments(cls.__init__)  # type: ignore[method-assign]

    def to_config(self) -> dict[str, Any]:
        """The content of config.json: name, channels, scale and options."""
        return constructor_config(self, self.init_arguments)

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
        folder_or_repo: str | Path,
        *,
        channels: int | None = None,
        revision: str | None = None,
        classes: Sequence[type[SavingMixin]] = (),
    ) -> Saved:
        """Load what `save_pretrained` wrote, in evaluation mode.

        Args:
            folder_or_repo: a folder, or a repository USER/NAME of the Hugging Face Hub.
            channels: channels of your features, if the weights do not depend on them. Default:
                the saved number.
            revision: branch, tag or commit of the repository. Default: its main branch.
            classes: user-defined classes that may occur inside a cascade.

        Raises:
            ValueError: if a file is missing or damaged, if the weights do not fit the
                configuration, or if the folder holds another class of upsampler.
            OSError: if the repository cannot be downloaded.
        """
        folder = download_folder(folder_or_repo, revision)
        model = load_model(folder, (cls, *classes), channels=channels)
        if not isinstance(model, cls):
            raise ValueError(
                f"{folder_or_repo} holds a {type(model).__name__}, not a {cls.__name__}"
            )
        return model

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        commit_message: str = "Upload with unstride",
    ) -> str:
        """Upload what `save_pretrained` writes; returns the address of the repository.

        Args:
            repo_id: USER/NAME on the Hugging Face Hub. Created if it does not exist. An existing
                README.md is kept.
            private: visibility of a new repository. Default: the setting of your account.
            commit_message: message of the commit.

        Raises:
            OSError: if the upload fails.
        """
        return upload_folder(
            self.save_pretrained, repo_id, private=private, commit_message=commit_message
        )
