"""Downloads from and uploads to the Hugging Face Hub; the only file that uses huggingface_hub.

Its `PyTorchModelHubMixin` is not used, for two reasons. As a base class it would be loaded by
`import unstride`. And it reads pickles where there is no safetensors file.
"""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from unstride.saving.folder import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME

REPO_ID_PATTERN = r"[\w][\w.-]*/[\w][\w.-]*"


def download_folder(folder_or_repo: str | Path, revision: str | None = None) -> Path:
    """The local folder of a model: the given one, or the downloaded copy of a repository.

    Of a repository, only config.json and model.safetensors are downloaded, to the Hub's cache.

    Args:
        folder_or_repo: a folder, or a repository USER/NAME of the Hub.
        revision: branch, tag or commit of the repository. Default: its main branch.

    Raises:
        ValueError: if it is neither a folder nor a repository's name.
        OSError: if the repository cannot be downloaded.
    """
    if Path(folder_or_repo).is_dir():
        return Path(folder_or_repo)
    if not re.fullmatch(REPO_ID_PATTERN, str(folder_or_repo)):
        raise ValueError(
            "folder_or_repo must be a folder, or a repository USER/NAME of the Hub, "
            f"got {folder_or_repo}"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                str(folder_or_repo), revision=revision, allow_patterns=[CONFIG_NAME, WEIGHTS_NAME]
            )
        )
    except Exception as error:
        raise OSError(
            f"{folder_or_repo} is not a local folder, and cannot be downloaded from the Hub "
            f"({_error_summary(error)})"
        ) from error


def upload_folder(
    write_folder: Callable[[Path], None], repo_id: str, *, private: bool | None, commit_message: str
) -> str:
    """Upload the files that `write_folder` writes, in one commit.

    Args:
        write_folder: writes the files into the folder that it is given.
        repo_id: USER/NAME. Created if it does not exist. An existing README.md is kept.
        private: visibility of a new repository; None for the setting of the account.
        commit_message: message of the commit.

    Returns:
        The address of the repository.

    Raises:
        OSError: if the upload fails.
    """
    from huggingface_hub import HfApi

    with TemporaryDirectory() as folder:
        write_folder(Path(folder))
        try:
            api = HfApi(library_name="unstride")
            address = api.create_repo(repo_id, private=private, exist_ok=True)
            kept = [CARD_NAME] if api.file_exists(address.repo_id, CARD_NAME) else None
            api.upload_folder(
                repo_id=address.repo_id, folder_path=folder, commit_message=commit_message,
                ignore_patterns=kept,
            )  # fmt: skip
        except Exception as error:
            raise OSError(
                f"{repo_id} cannot be uploaded to the Hub ({_error_summary(error)}); "
                "run `hf auth login` to sign in"
            ) from error
    return str(address)


def _error_summary(error: Exception) -> str:
    """The type and the first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
