"""torch.hub: a folder with the repository is enough, from any process, installed or not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unstride
from unstride.features.dense_features import DenseFeatures
from unstride.upsamplers import CarafeUpsample, FeatUpStack

ROOT = Path(__file__).parent.parent
ENTRIES = {"upsampler", "featup_jbu", "dense_features", "from_pretrained"}


def load(*args, **options):
    return torch.hub.load(str(ROOT), *args, source="local", **options)


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """The repository where torch.hub keeps what it has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "unstride_unstride_main").symlink_to(ROOT, target_is_directory=True)
    (tmp_path / "hub" / "trusted_list").write_text("unstride_unstride\n", encoding="utf-8")
    return "unstride/unstride:main"


def test_what_torch_hub_lists_and_explains(downloaded):
    options = {"skip_validation": True, "trust_repo": True}
    assert set(torch.hub.list(downloaded, verbose=False, **options)) == ENTRIES
    for entry in ENTRIES:
        assert "Args:" in torch.hub.help(downloaded, entry, **options)
    up = torch.hub.load(downloaded, "upsampler", "carafe", 16, verbose=False, **options)
    assert (type(up), up.channels, up.scale) == (CarafeUpsample, 16, 2)


def test_upsamplers_with_their_options():
    up = load("upsampler", "sapa", 16, 4, guide_channels=3, stages=2)
    assert (up.channels, up.scale, up.guide_channels, len(up.upsamplers)) == (16, 4, 3, 2)
    assert isinstance(load("featup_jbu", 16, 8, variant="paper"), FeatUpStack)
    trained, fresh = load("featup_jbu", 16, 8), load("featup_jbu", 16, 8, pretrained=False)
    shipped = unstride.create_upsampler("featup_jbu", 16, 8).state_dict()
    assert all(torch.equal(p, shipped[name]) for name, p in trained.state_dict().items())
    assert any(not torch.equal(p, shipped[name]) for name, p in fresh.state_dict().items())


def test_dense_features_and_what_was_saved(tmp_path):
    model = load("dense_features", "resnet10t", "bilinear", stride=16, pretrained=False)
    assert isinstance(model, DenseFeatures)
    assert not model.training
    assert (model.backbone.stride, model.upsampler.scale) == (16, 16)
    model.save_pretrained(tmp_path)
    image = torch.rand(1, 3, 33, 50)
    assert torch.equal(load("from_pretrained", str(tmp_path))(image), model(image))


def test_a_fresh_process_elsewhere_finds_the_folders_own_code(tmp_path):
    code = (
        "import torch\n"
        f"up = torch.hub.load({str(ROOT)!r}, 'featup_jbu', 6, 4, source='local')\n"
        "import unstride\n"
        f"assert unstride.__file__.startswith({str(ROOT)!r}), unstride.__file__\n"
        "out = up(torch.rand(1, 6, 4, 4), torch.rand(1, 3, 16, 16))\n"  # its kernels load now
        "up.save_pretrained('kept')\n"
        "print(tuple(out.shape))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "(1, 6, 16, 16)"), done.stderr
    assert (tmp_path / "kept" / "config.json").is_file()
