"""From a photograph to the weights, a picture and files: points are pixels of the image."""

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from unstride.backbones.padding import pad_image
from unstride.cli.main import main
from unstride.features.dense_features import DenseFeatures
from unstride.formats import features as feature_file
from unstride.inference.explain import image_footprints
from unstride.inference.footprint_picture import PICTURE_HEIGHT
from unstride.upsamplers.by_name import create_upsampler


class AveragePoolBackbone(torch.nn.Module):
    """A backbone whose features are averages over cells of four pixels."""

    stride, channels = 4, 3

    def padded_size(self, size):
        height, width = (-(-n // 4) * 4 for n in size)
        return height, width

    def forward(self, image):
        padded = pad_image(image, self.padded_size(image.shape[2:]))
        return torch.nn.functional.avg_pool2d(padded, 4)


def model(name, **options):
    return DenseFeatures(AveragePoolBackbone(), create_upsampler(name, 3, 4, **options)).eval()


@pytest.mark.parametrize("size", [None, (15, 21), (60, 84), (19, 33)], ids=str)
@pytest.mark.parametrize("name", ["bilinear", "featup_jbu", "joint_bilateral"])
def test_the_weights_make_up_the_pixel_at_any_size(name, size):
    """Sizes that go by way of the image's own resolution too: 19 x 33 of 30 x 42."""
    image, up = torch.rand(1, 3, 30, 42), model(name)
    points = [(0, 0), (41, 29), (17, 8)]
    traced = image_footprints(up, image, points, size)
    features, out = up.backbone(image)[0], up(image, size)[0].detach()
    height, width = out.shape[1:]
    for (x, y), footprint in zip(points, traced, strict=True):
        pixel = out[:, int((y + 0.5) * height / 30), int((x + 0.5) * width / 42)]
        torch.testing.assert_close((footprint.weights * features).sum((1, 2)), pixel)
        assert "after upsampler" not in footprint.stages


def test_at_an_edge_the_weights_stay_on_their_side():
    image = torch.zeros(1, 3, 64, 64)
    image[..., 26:] = 1  # inside a cell
    left, right = (image_footprints(model("featup_jbu"), image, [(x, 32)])[0] for x in (23, 28))
    for footprint in (left, right):
        assert footprint.stages
    columns = left.stages["after coarse"].weights.sum(0)
    middle = round(26 / 64 * len(columns))
    assert columns[:middle].sum() > 0.95
    assert right.stages["after coarse"].weights.sum(0)[middle:].sum() > 0.95


@pytest.mark.parametrize("point", [(42, 0), (0, 30), (-1, 0)])
def test_points_outside_the_image_are_refused(point):
    with pytest.raises(ValueError, match=rf"inside the image of 42x30, got {point[0]},{point[1]}"):
        image_footprints(model("bilinear"), torch.rand(1, 3, 30, 42), [point])


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names without a folder end here
    Image.effect_noise((70, 50), 80).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(photo, *options):
    return main(["explain", str(photo), "--out", str(photo.parent / "new" / "it.png"), *options])


def test_the_command_writes_both_files(photo, capsys):
    points = ("--at", "40,20", "--at=69,49")
    assert run(photo, *points, "--upsampler", "bilinear", "--stages", "5") == 0
    captured = capsys.readouterr()
    assert "pixel 40,20: weights sum to 1; strongest cells (" in captured.out
    assert "is untrained" not in captured.out
    folder = photo.parent / "new"
    assert sorted(p.name for p in folder.iterdir()) == ["it.png", "it.safetensors"]
    with safe_open(folder / "it.safetensors", framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert metadata["upsampler"] == "bilinear"
    assert (metadata["image"], metadata["size"], metadata["stride"]) == ("photo.png", "50x70", "32")
    names = ["features", *(f"after upsamplers.{i}" for i in range(4))]
    assert set(tensors) == {f"{point}/{name}" for point in ("40,20", "69,49") for name in names}
    assert tensors["40,20/features"].shape == (2, 3)
    assert tensors["40,20/after upsamplers.1"].shape == (8, 12)
    for weights in tensors.values():
        assert abs(weights.sum() - 1) < 1e-5
    with Image.open(folder / "it.png") as picture:
        # the photograph, a closer view, four grids
        assert picture.width > 6 * PICTURE_HEIGHT
        assert picture.height > 2 * PICTURE_HEIGHT


def test_untrained_operators_are_called_so_unless_weights_are_given(photo, capsys):
    assert run(photo, "--at", "40,20", "--upsampler", "carafe") == 0
    assert "carafe is untrained" in capsys.readouterr().out
    up = create_upsampler("carafe", 320, 32)
    torch.nn.init.normal_(up.content_encoder.weight, std=0.5)
    feature_file.save_tensors(up.state_dict(), photo.parent / "w.safetensors", {})
    weights = str(photo.parent / "w.safetensors")
    assert run(photo, "--at", "40,20", "--upsampler", "carafe", "--weights", weights) == 0
    assert "is untrained" not in capsys.readouterr().out
    with safe_open(photo.parent / "new" / "it.safetensors", framework="pt") as file:
        weights = file.get_tensor("40,20/features")
    assert weights.max() > 2 * weights.min()  # no box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--at", "70,10"], "--at must be X,Y inside the image of 70x50, got 70,10"),
        (["--at", "10,50"], "--at must be X,Y inside the image of 70x50, got 10,50"),
        (["--at", "10"], "--at must be X,Y inside the image of 70x50, got 10"),
        (["--at=-1,3"], "--at must be X,Y inside"),
        (["--at", "1,2,3"], "--at must be X,Y inside"),
        (["--at", "1,2", "--upsampler", "none"], "upsampler must be one of"),
        (["--at", "1,2", "--upsampler", "max_unpool"], "guide_channels must be the 320 channels"),
        (["--at", "1,2", "--stages", "0"], "stages must be at least 1, got 0"),
        (["--at", "1,2", "--stages", "3"], "scale must be a whole number to the power of"),
        (["--at", "1,2", "--size", "0"], "size must be"),
        (["--at", "1,2", "--weights", "nowhere"], "weights cannot be read: nowhere: no such file"),
        (["--at", "1,2", "--weights", "{photo}"], "weights cannot be read"),
        (["--at", "1,2", "--weights", "{folder}/other"], "weights must fit this featup"),
        (["--at", "1,2", "--out", "it.jpg"], "--out must end in .png, got it.jpg"),
    ],
)
def test_mistakes_get_one_sentence_and_no_file(options, message, photo, capsys):
    feature_file.save_tensors({"some": torch.zeros(2)}, photo.parent / "other", {})
    arguments = [o.format(photo=photo, folder=photo.parent) for o in options]
    assert run(photo, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (photo.parent / "new").exists()


def test_an_image_that_is_none_is_refused(tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 but no more")
    assert run(tmp_path / "bad.jpg", "--at", "1,2") == 1
    assert "bad.jpg: " in capsys.readouterr().err


def test_a_write_that_fails_leaves_nothing_behind(photo, monkeypatch, capsys):
    def full(tensors, path, metadata):
        path.write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(feature_file, "save_file", full)
    assert run(photo, "--at", "1,2", "--upsampler", "nearest") == 1
    assert "No space left" in capsys.readouterr().err
    assert not list((photo.parent / "new").iterdir())


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "column X and row Y of the image" in text
    assert "reach stride 32 in 5" in text
