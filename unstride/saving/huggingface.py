"""The Hugging Face Hub: huggingface_hub's one door.

Its `PyTorchModelHubMixin` is not used: it is a base class, so that `import unstride` would load
it, and where safetensors are missing it reads pickles.
"""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from unstride.saving.folder import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME

REPO_ID_PATTERN = r"[\w][\w.-]*/[\w][\w.-]*"


def download_folder(where: str | Path, revision: str | None = None) -> Path:
    """The folder itself, or the cache's copy of a repository's two files.

    Args:
        where: a folder, or USER/NAME.
        revision: branch, tag or commit of the repository.

    Raises:
        ValueError: if it is neither.
        OSError: if the repository could not be fetched.
    """
    if Path(where).is_dir():
        return Path(where)
    if not re.fullmatch(REPO_ID_PATTERN, str(where)):
        raise ValueError(
            f"where must be a folder, or a repository USER/NAME of the Hub, got {where}"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                str(where), revision=revision, allow_patterns=[CONFIG_NAME, WEIGHTS_NAME]
            )
        )
    except Exception as error:
        raise OSError(
            f"{where} is no folder here, and no repository that could be fetched from the Hub "
            f"({_error_summary(error)})"
        ) from error


def upload_folder(
    save: Callable[[Path], None], repository: str, *, private: bool | None, message: str
) -> str:
    """Upload the folder that `save` writes, in one commit; returns the repository's address.

    Args:
        save: writes the files into the folder that it is given.
        repository: USER/NAME, made if need be; a README.md that is there stays.
        private: for a new one; None leaves it to the account.
        message: of the commit.

    Raises:
        OSError: if it could not be uploaded.
    """
    from huggingface_hub import HfApi

    with TemporaryDirectory() as folder:
        save(Path(folder))
        try:
            api = HfApi(library_name="unstride")
            address = api.create_repo(repository, private=private, exist_ok=True)
            kept = [CARD_NAME] if api.file_exists(address.repo_id, CARD_NAME) else None
            api.upload_folder(
                repo_id=address.repo_id, folder_path=folder, commit_message=message,
                ignore_patterns=kept,
            )  # fmt: skip
        except Exception as error:
            raise OSError(
                f"{repository} could not be uploaded to the Hub ({_error_summary(error)}); "
                "`hf auth login` says who you are"
            ) from error
    return str(address)


def _error_summary(error: Exception) -> str:
    """Its kind, and what it says first."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
