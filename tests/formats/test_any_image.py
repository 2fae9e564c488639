"""Any image becomes RGB in [0, 1]: the range follows from the type, and the rest is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from unstride.formats.any_image import as_image
from unstride.formats.images import load_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(RGB).permute(2, 0, 1)[None].float() / 255
GREY = RGB[:, :, :1]
PILLOW_MODES = [
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV",
    "I", "F", "I;16", "I;16B",
]  # fmt: skip


@pytest.mark.parametrize(
    "image",
    [
        RGB, RGB[None], Image.fromarray(RGB), torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGB).permute(2, 0, 1)[None], RGB.astype(np.uint16) * 257,
        RGB.astype(">u2") * 257, (RGB / 255), (RGB / 255).astype(">f4"), RGB[:, ::-1][:, ::-1],
        torch.from_numpy(RGB.astype(np.uint16) * 257).permute(2, 0, 1), EXPECTED[0], EXPECTED,
    ],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'dtype', '')} {np.shape(image)}",
)  # fmt: skip
def test_every_kind_of_image_gives_the_same_pixels(image):
    """One division and one conversion, each rounded once: at most an epsilon of values up to 1."""
    converted = as_image(image)
    assert converted.dtype == torch.float32
    torch.testing.assert_close(converted, EXPECTED, rtol=0, atol=torch.finfo(torch.float32).eps)


def test_the_range_follows_from_the_type_and_never_from_the_values():
    assert as_image(np.ones((2, 2, 3), np.uint8)).max() == 1 / torch.tensor(255.0)
    assert as_image(np.full((2, 2, 3), 255.0)).min() == 255  # networks refuse it
    assert as_image(torch.ones(3, 2, 2, dtype=torch.uint8)).max() == 1 / torch.tensor(255.0)


def test_a_batch_of_floating_point_rgb_is_not_copied():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        image = EXPECTED.to(dtype)
        assert as_image(image, torch.device("meta")) is image


def test_arrays_and_pillow_images_are_copied_to_the_device():
    device = torch.device("meta")
    assert as_image(RGB, device).device == as_image(Image.fromarray(RGB), device).device == device
    array = RGB / 255
    as_image(array).zero_()
    assert array.any()


@pytest.mark.parametrize(
    "image",
    [GREY, GREY[..., 0], Image.fromarray(GREY[..., 0]), torch.from_numpy(GREY[None, ..., 0])],
    ids=["channel", "plane", "Pillow", "tensor"],
)  # fmt: skip
def test_grey_becomes_rgb(image):
    expected = torch.from_numpy(GREY / 255).permute(2, 0, 1).float().expand(1, 3, 5, 6)
    torch.testing.assert_close(as_image(image), expected)


@pytest.mark.parametrize("kind", ["array", "Pillow", "tensor"])
def test_transparent_pixels_become_white(kind):
    """Pillow rounds the mixture to 8 bits, at most one step away."""
    alpha = np.linspace(0, 255, 30).astype(np.uint8).reshape(5, 6, 1)
    rgba, share = np.concatenate([RGB, alpha], 2), torch.from_numpy(alpha / 255).permute(2, 0, 1)
    image = {
        "array": rgba, "Pillow": Image.fromarray(rgba),
        "tensor": torch.from_numpy(rgba).permute(2, 0, 1),
    }[kind]  # fmt: skip
    expected = EXPECTED * share + 1 - share
    torch.testing.assert_close(as_image(image), expected.float(), rtol=0, atol=1.01 / 255)
    assert as_image(image)[0, :, 0, 0].eq(1).all()


@pytest.mark.parametrize("mode", PILLOW_MODES)
def test_pillow_images_of_every_mode_are_converted(mode):
    converted = as_image(Image.new(mode, (6, 4)))
    assert converted.shape == (1, 3, 4, 6)
    assert 0 <= converted.min() <= converted.max() <= 1
    if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        assert converted.eq(1).all()  # transparent


def test_opened_files_are_turned_upright_and_named_in_errors(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    for name in ("a.png", "a.tif"):
        Image.fromarray(RGB).save(tmp_path / name, exif=exif)
        with Image.open(tmp_path / name) as image:
            assert torch.equal(as_image(image), load_image(tmp_path / name))
    path = tmp_path / "short.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with Image.open(path) as image, pytest.raises(ValueError, match="cannot be converted") as found:
        as_image(image)
    assert str(found.value).startswith(f"{path}: ")


TYPES = r"^image must be uint8, uint16 or floating-point in \[0, 1\], got "


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB.transpose(2, 0, 1), r"got \(3, 5, 6\): transpose\(1, 2, 0\) moves the channels"),
        (EXPECTED[0].permute(1, 2, 0), r"got \(5, 6, 3\): permute\(2, 0, 1\) moves the channels"),
        (np.ones((5, 6, 2)), r"image must be an array \(height, width, 3\), got \(5, 6, 2\)$"),
        (np.ones(3), r"must be an array \(height, width, 3\), got \(3,\)$"),
        (torch.ones(4, 6), r"must be a tensor \(3, height, width\) or .*, got \(4, 6\)$"),
        (torch.ones(2, 5, 4, 6), r"got \(2, 5, 4, 6\)$"),
        (RGB > 9, TYPES + "bool$"),
        (RGB.astype(np.int64), TYPES + "int64$"),
        (RGB.astype(object), TYPES + "object$"),
        (torch.ones(3, 4, 6).bool(), TYPES + r"torch\.bool$"),
        (torch.ones(1, 3, 4, 6).int(), TYPES + r"torch\.int32$"),
        (RGB[:0], "^image must have pixels, got 0 x 6$"),
        (torch.ones(3, 4, 0), "^image must have pixels, got 4 x 0$"),
        (Image.new("RGB", (0, 4)), "^image must have pixels, got 4 x 0$"),
        (Image.new("F", (6, 4), float("nan")), r"pixels must be in \[0, 1\]"),
        (Image.new("F", (6, 4), 255), r"pixels must be in \[0, 1\]"),
        ("photo.jpg", "numpy array or a Pillow image, got a str: read it with unstride.load_image"),
        (None, "^image must be a tensor, a numpy array or a Pillow image, got a NoneType$"),
        ([RGB], "got a list$"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(image, message):
    with pytest.raises(ValueError, match=message) as error:
        as_image(image)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of jit.trace
def test_gradients_flow():
    image = torch.rand(2, 4, 4, 6, requires_grad=True)
    as_image(image).sum().backward()
    assert image.grad.flatten(2).any(2).all()


@pytest.mark.filterwarnings("ignore:`torch.jit.trace` is deprecated")
def test_it_compiles_and_is_traced():
    compiled = torch.compile(as_image, fullgraph=True, backend="eager")
    assert torch.equal(compiled(EXPECTED), EXPECTED)
    traced = torch.jit.trace(lambda x: as_image(x) + 0, EXPECTED)
    assert torch.equal(traced(EXPECTED), EXPECTED)
