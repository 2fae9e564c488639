"""Only the pixels of the region change; mode, alpha, palette and metadata are those of the file."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from unstride.formats.editable_image import load_editable

SIZE = 9, 13
RANDOM = np.random.default_rng(0)
RGB = Image.fromarray(RANDOM.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
ALPHA = Image.fromarray(RANDOM.integers(0, 256, SIZE, dtype=np.uint8))
FILES = {
    "rgb.png": RGB,
    "rgb.tif": RGB,
    "grey.png": RGB.convert("L"),
    "grey_alpha.png": Image.merge("LA", (RGB.convert("L"), ALPHA)),
    "alpha.png": Image.merge("RGBA", (*RGB.split(), ALPHA)),
    "palette.png": RGB.quantize(17),
    "bits.png": RGB.convert("1"),
    "deep.png": Image.fromarray(RANDOM.integers(0, 65536, SIZE, dtype=np.uint16)),
    "cmyk.tif": RGB.convert("CMYK"),
    "whole.tif": Image.fromarray(RANDOM.integers(0, 65536, SIZE, dtype=np.int32)),
    "real.tif": Image.fromarray(RANDOM.random(SIZE, dtype=np.float32)),
}


def opened(path):
    """Not by name, for Pillow then maps files into memory and reads turned ones wrongly."""
    return Image.open(BytesIO(path.read_bytes()))


@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("name", FILES)
def test_all_other_pixels_and_the_metadata_stay(name, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    if orientation:
        exif[0x0112] = orientation
    source = tmp_path / name
    FILES[name].save(source, exif=exif, icc_profile=b"a profile")
    editable = load_editable(source)
    region = torch.zeros(editable.rgb.shape[2:], dtype=torch.bool)
    region[2:6, 3:8] = True
    target = tmp_path / f"out{editable.suffix}"
    editable.write(target, editable.replaced(1 - editable.rgb, region))
    with opened(source) as before, opened(target) as after:
        assert after.mode == before.mode
        assert after.getexif().get(0x0112) == before.getexif().get(0x0112)
        assert after.getexif()[0x010F] == "maker"
        assert after.info["icc_profile"] == b"a profile"
        if before.mode == "P":
            assert after.getpalette() == before.getpalette()
        old, new = (np.asarray(ImageOps.exif_transpose(image)) for image in (before, after))
        assert (old[~region.numpy()] == new[~region.numpy()]).all()
        assert (old[region.numpy()] != new[region.numpy()]).mean() > 0.3
        if "A" in before.mode:
            assert (old[..., -1] == new[..., -1]).all()


@pytest.mark.parametrize("name", ["rgb.png", "grey.png", "deep.png", "real.tif", "cmyk.tif"])
def test_what_is_filled_in_is_what_was_given(name, tmp_path):
    FILES[name].save(tmp_path / name)
    editable = load_editable(tmp_path / name)
    region = torch.ones(SIZE, dtype=torch.bool)
    given = torch.full_like(editable.rgb, 0.2)
    editable.write(tmp_path / f"out{editable.suffix}", editable.replaced(given, region))
    written = load_editable(tmp_path / f"out{editable.suffix}")
    torch.testing.assert_close(written.rgb, given, rtol=0, atol=0.5 / 255 + 1e-6)


def test_several_frames_and_damaged_files_are_refused(tmp_path):
    frames = tmp_path / "frames.gif"
    RGB.save(frames, save_all=True, append_images=[ImageOps.invert(RGB)])
    with pytest.raises(ValueError, match=r"frames.gif: has 2 frames, only single images"):
        load_editable(frames)
    (tmp_path / "bad.png").write_bytes((tmp_path / "frames.gif").read_bytes()[:20])
    with pytest.raises(ValueError, match=r"bad.png: "):
        load_editable(tmp_path / "bad.png")
