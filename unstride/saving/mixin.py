"""What any upsampler can do: go to a folder or the Hugging Face Hub, and come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

Kind = TypeVar("Kind", bound="Saving")  # not Self: the tests' checker takes it in classes alone


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that also keeps what it was called with, for `save_pretrained`."""

    @wraps(init)
    def remember(self, *args, **options):
        vars(self).setdefault("made_with", (args, options))  # the subclass's, not its parent's
        init(self, *args, **options)

    return remember


class Saving(nn.Module):
    """A module that knows what it was made with, its subclass's arguments."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # what __init__ was given

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors and a model card into a folder.

        Args:
            folder: made if need be; a README.md that is there stays.

        Raises:
            ValueError: if an option is not what JSON can hold.
        """
        from unstride.saving.configuration import describe
        from unstride.saving.folder import write_folder

        write_folder(folder, describe(self), self)

    @classmethod
    def from_pretrained(
        cls: type[Kind],
        where: str | Path,
        *,
        channels: int | None = None,
        revision: str | None = None,
        classes: Sequence[type[Saving]] = (),
    ) -> Kind:
        """The upsampler that `save_pretrained` wrote, in evaluation mode.

        Args:
            where: the folder, or a repository USER/NAME of the Hugging Face Hub.
            channels: of your features, where the weights do not depend on them.
            revision: branch, tag or commit of the repository.
            classes: of yours, where an upsampler within a cascade is one.

        Raises:
            ValueError: if a file is missing or broken, one does not fit the other, or it
                is another kind of upsampler.
            OSError: if the repository could not be fetched.
        """
        from unstride.saving.folder import read_folder
        from unstride.saving.huggingface import fetched

        known: Any = (cls, *classes)  # upsamplers all
        up = read_folder(fetched(where, revision), known, channels=channels)
        if not isinstance(up, cls):
            raise ValueError(f"{where} holds a {type(up).__name__}, not a {cls.__name__}")
        return up

    def push_to_hub(
        self, repository: str, *, private: bool | None = None, message: str = "Upload with unstride"
    ) -> str:
        """Upload what `save_pretrained` writes; returns the address.

        Args:
            repository: USER/NAME on the Hugging Face Hub, made if need be; its README.md stays.
            private: for a new one; by default what your account says.
            message: of the commit.

        Raises:
            OSError: if it could not be uploaded.
        """
        from unstride.saving.huggingface import push

        return push(self.save_pretrained, repository, private=private, message=message)
