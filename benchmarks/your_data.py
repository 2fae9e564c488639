"""Draws the contact sheet of docs/your_data.md, from landscapes that it makes itself.

python -m benchmarks.your_data
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from unstride.cli.main import main as unstride

SHEET = Path(__file__).parents[1] / "docs" / "your_data.jpg"
CLASSES = ("sky", "hill", "meadow", "sun", "house")
COLOURS = ((130, 175, 225), (95, 115, 95), (120, 155, 70), (250, 225, 130), (165, 95, 80))
COUNT, HEIGHT, WIDTH = 10, 150, 200


def landscape(seed: int) -> np.ndarray:
    """The class of each pixel of a landscape."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    sun_x, sun_y, radius = draw.uniform(20, 180), draw.uniform(15, 40), draw.uniform(7, 14)
    classes[(x - sun_x) ** 2 + (y - sun_y) ** 2 < radius**2] = CLASSES.index("sun")
    for name, level in (("hill", 75), ("meadow", 105)):
        phase, waves = draw.uniform(0, 6), draw.uniform(20, 50)
        classes[y > level + 14 * np.sin(x / waves + phase)] = CLASSES.index(name)
    left, width = int(draw.integers(10, 140)), int(draw.integers(25, 50))
    top = int(draw.integers(85, 100))
    is_roof = (abs(x - left - width / 2) < y - top + 18) & (y < top) & (y > top - 18)
    is_wall = (x >= left) & (x < left + width) & (y >= top) & (y < top + width)
    classes[is_roof & (abs(x - left - width / 2) < width / 2 + 3) | is_wall] = CLASSES.index(
        "house"
    )
    return classes


def photograph(classes: np.ndarray, seed: int) -> Image.Image:
    """A noisy picture of a landscape, in other light each time."""
    draw = np.random.default_rng(1000 + seed)
    light = draw.uniform(0.7, 1.1) * np.linspace(1.1, 0.9, HEIGHT)[:, None, None]
    pixels = np.array(COLOURS, np.float32)[classes] * light + draw.normal(0, 9, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_folder(root: Path) -> None:
    """Write a data set in the layout of the page's first example."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(COUNT):
        classes = landscape(i)
        photograph(classes, i).save(root / "images" / f"view{i}.jpg", quality=95)
        Image.fromarray(classes).save(root / "masks" / f"view{i}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")


def main() -> int:
    """Write the folder, check it as a user would, and keep its contact sheet."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "mine"
        write_folder(root)
        drawn = Path(folder) / "check.png"
        code = unstride(["data", "check", str(root), f"--out={drawn}"])
        with Image.open(drawn) as sheet:
            sheet.save(SHEET, quality=88)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
