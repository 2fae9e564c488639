"""Downloads from and uploads to the Hugging Face Hub; the only file that uses huggingface_hub.

Its `PyTorchModelHubMixin` is not used, for two reasons. As a base class it would be loaded by
`import unstride`. And it reads pickles where there is no safetensors file.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from unstride.formats.atomic_write import temporary_folder
from unstride.formats.downloads import TIMEOUT, download_timeout
from unstride.formats.errors import first_line
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

    wanted = [CONFIG_NAME, WEIGHTS_NAME]
    with downloads_from_hub() as is_reachable:
        try:
            return Path(
                snapshot_download(str(folder_or_repo), revision=revision, allow_patterns=wanted)
            )
        except Exception as error:
            reason = _error_summary(error) if is_reachable else "it is unreachable"
            raise OSError(
                f"{folder_or_repo} is not a local folder, and cannot be downloaded from the Hub "
                f"({reason})"
            ) from error


@contextmanager
def downloads_from_hub() -> Iterator[bool]:
    """Let downloads from the Hub inside fail at once if the Hub cannot be reached.

    The Hub is asked once, for at most TIMEOUT. Without an answer, huggingface_hub is in its
    offline mode inside: files in its cache are used, and it does not try again and again.

    Yields:
        Whether the Hub can be reached.
    """
    from huggingface_hub import constants

    is_reachable, was_offline = is_hub_reachable(), constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = not is_reachable
    try:
        with download_timeout():
            yield is_reachable
    finally:
        constants.HF_HUB_OFFLINE = was_offline


def is_hub_reachable() -> bool:
    """Whether the Hub answers, whatever it answers; False in huggingface_hub's offline mode."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    answers = []

    def ask() -> None:
        with suppress(Exception):
            answers.append(get_session().head(constants.ENDPOINT, timeout=TIMEOUT))

    thread = Thread(target=ask, daemon=True)  # a look-up of the name has no timeout of its own
    thread.start()
    thread.join(TIMEOUT)
    return bool(answers)


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

    with temporary_folder() as folder:
        write_folder(folder)
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
    line, type_name = first_line(error), type(error).__name__
    return line if line == type_name else f"{type_name}: {line}"
