"""Finds image files by path, folder or glob, and loads them safely."""

import glob
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.formats.errors import naming_file

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif")
MAX_PIXELS = 100_000_000
ORIENTATION_TAG = 0x0112  # of EXIF; values from 5 on exchange rows and columns
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])")  # one letter is a drive of Windows


def find_images(sources: str | Iterable[str | Path], exclude: Path | None = None) -> list[Path]:
    """Find image files from files, folders (searched recursively) and globs: each once, sorted.

    A file given by name is returned whatever its suffix; loading it will tell if it is an image.

    Args:
        sources: files, folders and globs, or one of them.
        exclude: folder that is not searched where it lies inside one of the folders. Default: none.

    Raises:
        ValueError: if there is no source, or one is an address such as https://...
        FileNotFoundError: if a source matches nothing.
    """
    found: dict[Path, Path] = {}
    excluded = exclude.resolve() if exclude else None
    listed = [sources] if isinstance(sources, str) else list(sources)
    if not listed:
        raise ValueError("images must be at least one file, folder or glob, got none")
    for source in map(str, listed):
        path = Path(source)
        if path.is_dir():
            files = [
                p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
            ]
            if excluded and path.resolve() in excluded.parents:
                files = [p for p in files if excluded not in p.resolve().parents]
        elif path.is_file():
            files = [path]
        else:
            files = [Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file()]
        if not files:
            refuse_address(source)
            raise FileNotFoundError(f"no image found at {source}")
        for file in sorted(files):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def load_image(path: str | Path) -> Float[Tensor, "1 3 h w"]:
    """Load an image as RGB in [0, 1], upright, with transparent pixels on white.

    Raises:
        ValueError: if the file is not an image, damaged, empty, or has more than MAX_PIXELS pixels;
            or if the path is an address such as https://...
        FileNotFoundError: if there is no such file.
    """
    from PIL import ImageOps

    path = Path(path)
    with open_image(path) as image:
        return rgb_tensor(ImageOps.exif_transpose(image), path)


def image_size(path: str | Path, *, upright: bool = True) -> tuple[int, int]:
    """The (height, width) of an image, from the start of its file; the pixels are not read.

    Args:
        path: image file.
        upright: turn the image as its EXIF data say, as `load_image` does.

    Raises:
        ValueError: if the file is not an image or has more than MAX_PIXELS pixels.
        FileNotFoundError: if there is no such file.
    """
    with open_image(path) as image:
        is_turned = upright and image.getexif().get(ORIENTATION_TAG, 1) >= 5
        return (image.width, image.height) if is_turned else (image.height, image.width)


@contextmanager
def open_image(path: str | Path) -> Iterator:
    """Open an image with Pillow. Every problem of the file becomes an error of one sentence.

    Errors raised inside the block count as problems of the file, unless they start with its path.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        refuse_address(path)
        raise FileNotFoundError(f"{path}: no such file")
    with naming_file(path, "damaged"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's; what matters is checked here
        try:
            # Pillow maps a named file into memory, and then turned TIFF files are read wrongly.
            with open(path, "rb") as file, Image.open(file) as image:
                _check_area(image, path)
                yield image
        except UnidentifiedImageError:
            raise ValueError(f"{path}: not an image that can be read") from None
        except Image.DecompressionBombError:
            raise ValueError(f"{path}: too many pixels") from None


def refuse_address(path: str | Path) -> None:
    """Say of a path that was not found that it is an address, if it is one.

    Raises:
        ValueError: if it is an address such as https://...
    """
    text = path if isinstance(path, str) else path.as_posix()
    if address := ADDRESS.match(text):
        whole = f"{address[1]}://{text[address.end() :]}"  # `Path` has removed a slash
        raise ValueError(f"{whole}: addresses are not read; download it and give its path")


def _check_area(image, path: Path) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{path}: {image.width} x {image.height} pixels, more than the maximum of "
            f"{MAX_PIXELS // 1_000_000} million"
        )


def rgb_tensor(image, path: Path) -> Float[Tensor, "1 3 h w"]:
    """The pixels of a Pillow image as RGB in [0, 1], with transparent ones on white.

    Args:
        image: of any mode.
        path: its file, for error messages.

    Raises:
        ValueError: if pixels are floating-point numbers beyond [0, 1].
    """
    import numpy as np
    from PIL import Image

    if image.mode in ("La", "RGBa"):  # colours multiplied by alpha
        image = image.convert(image.mode.upper())
    if image.mode.startswith("I;16") or image.mode == "I":
        pixels = np.asarray(image.convert("I"), dtype=np.float32) / 65535
        return torch.from_numpy(np.repeat(pixels[None], 3, 0)).clamp(0, 1)[None]
    if image.mode == "F":
        pixels = np.array(image)
        if not ((pixels >= 0) & (pixels <= 1)).all():
            raise ValueError(f"{path}: floating-point pixels must be in [0, 1]")
        return torch.from_numpy(np.repeat(pixels[None], 3, 0))[None]
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
