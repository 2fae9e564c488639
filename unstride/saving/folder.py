"""An upsampler as a folder, which appears whole or not at all, file by file.

| file | holds |
|---|---|
| config.json | its name in `UPSAMPLERS`, channels, scale, options; the version of unstride |
| model.safetensors | its `state_dict()` |
| README.md | a model card, written once and yours from then on |
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from unstride.upsamplers.base import Upsampler
from unstride.saving.configuration import KNOWN, make
from unstride.formats.atomic_write import unfinished

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def write_folder(
    folder: str | Path, config: dict[str, Any], model: nn.Module, readme: str | None = None
) -> None:
    """Write the three files, each whole or not at all; a card that is there stays.

    Args:
        folder: made if need be.
        config: what it says in config.json, besides the version.
        model: whose tensors are written.
        readme: the card; by default that of an upsampler.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Cloned: tensors that share memory are refused otherwise.
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    _write(folder / WEIGHTS, save(tensors, {"format": "pt"}))
    text = json.dumps(config | {"unstride": installed_version()}, indent=2, allow_nan=False)
    _write(folder / CONFIG, (text + "\n").encode())
    if not (folder / CARD).exists():
        _write(folder / CARD, (readme or card(config)).encode())


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        ValueError: if there is none, or it is not JSON.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} has no {CONFIG}, which save_pretrained writes") from None
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{folder / CONFIG} is no JSON ({type(error).__name__})") from None
    if not isinstance(config, dict):
        raise ValueError(f"{folder / CONFIG} must hold an object, got a {type(config).__name__}")
    return config


def read_folder(
    folder: Path, classes: Sequence[type[Upsampler]] = (), *, channels: int | None = None
) -> Upsampler:
    """The upsampler in a folder, ready for evaluation; arguments as in `make`.

    Raises:
        ValueError: if a file is missing or broken, or one does not fit the other.
    """
    config = read_config(folder)
    if "backbone" in config:
        raise ValueError(f"{folder} holds a backbone too: load it with unstride.from_pretrained")
    with refusing(folder / CONFIG):
        upsampler = make(config, classes, channels=channels)
    load_weights(upsampler, folder / WEIGHTS, str(config["upsampler"]))
    return upsampler.eval()


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Inside, whatever a file asks for that cannot be built is a sentence with the file's name."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: {reason}") from error


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Trained weights from a safetensors file, such as `unstride fit` writes.

    Raises:
        ValueError: if the file cannot be read, or is of another upsampler.
    """
    if not path.is_file():
        raise ValueError(f"weights must be a safetensors file, got {path}: no such file")
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError:
        raise ValueError(f"weights must be a safetensors file, got {path}") from None
    except RuntimeError as error:
        reason = str(error).splitlines()[1].split(",")[0].strip(" .\t")
        raise ValueError(f"weights must be those of this {name}, but {path}: {reason}") from None


def installed_version() -> str:
    """Of unstride; "source" where it runs from a folder, as `torch.hub` runs it."""
    try:
        return version("unstride")
    except PackageNotFoundError:
        return "source"


def card(config: dict[str, Any]) -> str:
    """A model card: what the Hub needs to know, and how to load it."""
    described = config["upsampler"] if "backbone" in config else config
    names = [stage["upsampler"] for stage in described.get("stages", [described])]
    own = ", ".join(dict.fromkeys(name for name in names if name not in KNOWN))
    classes = f", classes=[{own}]" if own else ""
    behind = f" behind {config['backbone']['name']}" if "backbone" in config else ""
    return f"""---
library_name: unstride
pipeline_tag: image-feature-extraction
tags:
- unstride
- feature-upsampling
---
# {", then ".join(names)}{behind}

Features at a finer resolution, with [unstride](https://github.com/unstride/unstride).

```python
import unstride

model = unstride.from_pretrained("USER/NAME"{classes})  # or a folder with these files
```

What it was trained on, what was measured, and the licence: not written yet.
"""


def _write(path: Path, data: bytes) -> None:
    with unfinished(path) as beside:
        beside.write_bytes(data)
