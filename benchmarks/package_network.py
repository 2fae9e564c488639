"""Copies a trained network into the package, with float16 weights.

    python -m benchmarks.package_network RUN NAME

Writes unstride/weights/NAME: config.json and model.safetensors. The card, README.md, is written by
hand.
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file

from unstride.formats.features import save_tensors
from unstride.saving.folder import CONFIG_NAME, WEIGHTS_NAME

WEIGHTS = Path(__file__).parents[1] / "unstride" / "weights"


def main() -> None:
    """Copy the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="output folder of `unstride fit`")
    parser.add_argument("name", help="folder in unstride/weights")
    options = parser.parse_args()
    folder = WEIGHTS / options.name
    folder.mkdir(exist_ok=True)
    shutil.copyfile(options.run / "model" / CONFIG_NAME, folder / CONFIG_NAME)
    tensors = load_file(options.run / "model" / WEIGHTS_NAME)
    halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_tensors(halves, folder / WEIGHTS_NAME, {})
    size = (folder / WEIGHTS_NAME).stat().st_size
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
