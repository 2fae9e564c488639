"""Images are found once and read upright; what is hostile is refused with a sentence."""

import os
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin, features

from unstride.formats import images
from unstride.formats.coco_panoptic import read_segment_ids
from unstride.formats.images import find_images, load_image
from unstride.formats.labels import load_depth, load_labels


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (30, 20), (255, 0, 51)).save(path)
    return path


def test_rgb_between_zero_and_one(photo):
    image = load_image(photo)
    assert image.shape == (1, 3, 20, 30)
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([1, 0, 0.2]))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16", "I", "F", "YCbCr"])
def test_any_mode_becomes_rgb(mode, tmp_path):
    suffix = "tif" if mode in ("F", "CMYK", "YCbCr", "I") else "png"
    Image.new(mode, (8, 6)).save(tmp_path / f"a.{suffix}")
    assert load_image(tmp_path / f"a.{suffix}").shape == (1, 3, 6, 8)


def test_transparent_is_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").eq(1).all()


def test_sixteen_bits_keep_their_range(tmp_path):
    Image.new("I;16", (4, 4), 32768).save(tmp_path / "a.png")
    torch.testing.assert_close(load_image(tmp_path / "a.png").mean().item(), 32768 / 65535)


def test_floating_point_keeps_its_range_and_has_one(tmp_path):
    Image.new("F", (4, 4), 0.25).save(tmp_path / "a.tif")
    assert load_image(tmp_path / "a.tif").eq(0.25).all()
    for value in (1.5, -0.1, float("nan")):
        Image.new("F", (4, 4), value).save(tmp_path / "b.tif")
        with pytest.raises(ValueError, match=r"b.tif: floating-point pixels must be in \[0, 1\]"):
            load_image(tmp_path / "b.tif")


def test_exif_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").shape == (1, 3, 30, 20)


def truncated(path):
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:900])


def claims_to_be_huge(path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(1000))):
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data)


def claims_no_header(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 3) + b"IHDR\0\0\0" + bytes(4))


HOSTILE = {
    "header of a PNG": (claims_no_header, "damaged"),
    "header of a PPM": (lambda path: path.write_bytes(b"P6 " + b"1" * 30 + b" 5 255\n"), "damaged"),
    "no pixels": (lambda path: path.write_bytes(b"P6 0 5 255\n"), "not an image"),
    "truncated": (truncated, "damaged"),
    "huge": (claims_to_be_huge, "pixels"),
    "text": (lambda path: path.write_text("not an image", encoding="utf-8"), "not an image"),
    "empty": (lambda path: path.touch(), "not an image"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_a_sentence(kind, tmp_path):
    write, message = HOSTILE[kind]
    path = tmp_path / "bad.png"
    write(path)
    with pytest.raises(ValueError, match=message) as error:
        load_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


READERS = {
    "image": load_image, "labels": load_labels, "depth": load_depth, "segments": read_segment_ids,
}  # fmt: skip
SURPRISES = [
    RuntimeError("Failed to decode image: Invalid image grid"), RuntimeError(), KeyError(274),
    struct.error("unpack requires a buffer of 4 bytes"), AssertionError(), TypeError("a\nb"),
    ZeroDivisionError("division by zero"), OverflowError(), MemoryError(), OSError(),
]  # fmt: skip


@pytest.mark.parametrize("error", SURPRISES, ids=repr)
@pytest.mark.parametrize("when", ["opened", "decoded"])
@pytest.mark.parametrize("kind", READERS)
def test_whatever_pillow_raises_is_a_sentence_with_the_path(kind, when, error, photo, monkeypatch):
    def broken(*args, **kwargs):
        raise error

    if when == "opened":
        monkeypatch.setattr(Image, "open", broken)
    else:
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", broken)
        monkeypatch.setattr("unstride.formats.labels.LABEL_MODES", ("RGB",))
        monkeypatch.setattr("unstride.formats.labels.DEPTH_MODES", ("RGB",))
    with pytest.raises(ValueError, match=r": (damaged|cannot be read) ") as found:
        READERS[kind](photo)
    assert str(found.value).startswith(f"{photo}: ")
    assert str(found.value).count(str(photo)) == 1
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("kind", ["labels", "depth", "segments"])
def test_a_relative_path_is_named_once(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("CMYK", (3, 2)).save("a.tif")
    with pytest.raises(
        ValueError, match=r"^a\.tif: (a label image|a depth image|expected an RGB image)"
    ):
        READERS[kind]("./a.tif")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "ppm", "gif", "avif"])
def test_damaged_files_of_every_format_are_read_or_named(suffix, tmp_path):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path, generator = tmp_path / f"a.{suffix}", torch.Generator().manual_seed(0)
    Image.effect_noise((24, 20), 50).convert("RGB").save(path)
    whole = path.read_bytes()
    for damage in range(60):
        data = bytearray(whole[: len(whole) * damage // 60] if damage % 2 else whole)
        for position in torch.randint(max(len(data), 1), (8,), generator=generator).tolist():
            if data:
                data[position if damage % 4 else position % 40] ^= 1 << position % 8
        path.write_bytes(data)
        told = f"{path}: none"
        try:
            assert load_image(path).shape[1] == 3
        except ValueError as error:
            told = str(error)
        assert told.startswith(f"{path}: ")
        assert "\n" not in told


def test_more_pixels_than_accepted(photo, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 599)
    with pytest.raises(ValueError, match="30 x 20 pixels"):
        load_image(photo)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_image(tmp_path / "none.png")


def test_a_folder_spelt_twice_is_searched_once_and_results_are_left_out(tmp_path):
    for name in ("a.png", "out/b.png", "other/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    found = find_images([tmp_path, f"{tmp_path}/other/.."], exclude=tmp_path / "out")
    assert sorted(p.name for p in found) == ["a.png", "c.png"]
    assert len(find_images([tmp_path], exclude=tmp_path)) == 3  # it is no folder inside
    assert [p.name for p in find_images([tmp_path / "out"], exclude=tmp_path / "out")] == ["b.png"]


def test_one_source_may_stand_alone(photo):
    assert find_images(str(photo.parent)) == find_images([photo.parent]) != []


def test_files_folders_and_globs_each_once(tmp_path):
    for name in ("b.jpg", "a.png", "sub/c.JPG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path / "b.jpg", tmp_path, str(tmp_path / "*.png")])
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["b.jpg", "a.png", "sub/c.JPG"]
    with pytest.raises(FileNotFoundError, match=r"nothing\*"):
        find_images([tmp_path / "nothing*"])


ADDRESSES = ["https://host/a.png", "HTTP://host/a.png?b=1", "s3://bucket/a.png", "file:///a.png"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_refused_as_one(kind, address):
    whole = address.replace(":///", "://")
    for read in (load_image, lambda path: find_images([path])):
        with pytest.raises(ValueError, match="addresses are not read; download it") as error:
            read(kind(address))
        assert str(error.value).startswith(whole)


@pytest.mark.parametrize("path", ["C:/none.png", "none.png", "a:b/none.png", "https"])
def test_a_path_is_no_address(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_image(path)


@pytest.mark.skipif(os.name == "nt", reason="no file of Windows may be called so")
def test_a_file_below_a_folder_that_looks_like_an_address_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data:").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "data:" / "a.png")
    assert load_image("data:/a.png").shape == (1, 3, 2, 2)
    assert len(find_images("data:/*.png")) == 1


def test_no_source_at_all_is_refused():
    with pytest.raises(ValueError, match="images must be at least one file, folder or glob"):
        find_images([])
