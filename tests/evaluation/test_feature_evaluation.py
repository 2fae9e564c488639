"""`unstride eval features`, from files to a table."""

import json
import sys

import pytest
from PIL import Image

from unstride.backbones.timm_backbone import create_backbone
from unstride.cli.main import main
from unstride.evaluation import linear_probe
from unstride.evaluation.feature_evaluation import evaluate
from unstride.evaluation.settings import EvaluationSettings
from unstride.upsamplers import Bilinear


@pytest.fixture
def data(tmp_path, monkeypatch):
    """CamVid's folders with noise in them, images of two sizes, and a schedule of no time."""
    tiny = linear_probe.Schedule(iterations=5, pixels_per_image=20, batch_size=16)
    monkeypatch.setitem(linear_probe.SCHEDULES, "short", tiny)
    for split, n in (("train", 3), ("val", 2)):
        for folder in ("images", "labels"):
            (tmp_path / "data" / "camvid" / split / folder).mkdir(parents=True)
        for i in range(n):
            size = (70, 50) if i % 2 else (50, 70)
            image = Image.effect_noise(size, 80).convert("RGB")
            image.save(tmp_path / "data" / "camvid" / split / "images" / f"{i}.png")
            labels = Image.effect_noise(size, 80).point(lambda v: v % 12)
            labels.save(tmp_path / "data" / "camvid" / split / "labels" / f"{i}.png")
    return tmp_path / "data"


def command(data, out, *more):
    return main([
        "eval", "features", "--measure", "segmentation", "transfer", "consistency",
        "--dataset", "camvid", "--data", str(data), "--out", str(out), "--seeds", "2", *more,
    ])  # fmt: skip


def test_files_in_and_a_table_out(data, tmp_path, capsys):
    out = tmp_path / "out"
    rows = ["bilinear", "joint_bilateral:kernel_size=3,label=classic"]
    assert command(data, out, "--upsamplers", *rows, "--cache", "true") == 0
    shown = capsys.readouterr().out
    assert "classic" in shown
    content = json.loads((out / "table.json").read_text(encoding="utf-8"))
    assert {(c["row"], c["measure"], c["value"]) for c in content["cells"]} == {
        (row, measure, value)
        for row in ("bilinear", "classic")
        for measure, values in {
            "segmentation": ("mIoU", "boundary mIoU"), "transfer": ("mIoU", "boundary mIoU"),
            "consistency": ("error", "error / bilinear"),
        }.items()
        for value in values
    }  # fmt: skip
    assert len(list((out / "results").glob("*.json"))) == 2 * 3 * 2
    assert len(list((out / "cache").rglob("*.safetensors"))) == 5
    assert "| classic |" in (out / "table.md").read_text(encoding="utf-8")


def test_the_python_call_takes_a_users_class_and_a_backbone(data, tmp_path):
    class Mine(Bilinear):
        """Written in a test."""

    backbone = create_backbone("resnet18", pretrained=False, stride=8)
    results, candidates = evaluate(
        ["bilinear", Mine(backbone.channels, 8)], ["segmentation"], ["camvid"],
        settings=EvaluationSettings(data=data / "camvid", backbone=backbone, seeds=1),
        out=tmp_path / "out",
    )  # fmt: skip
    mine, own = (results.values["segmentation", "camvid", row] for row in ("Mine", "bilinear"))
    assert mine == own
    assert [row.label for row in candidates] == ["bilinear", "Mine"]


def test_a_vit_whose_cells_are_no_multiple_of_the_grid(data, tmp_path):
    backbone = create_backbone("vit_small_patch14_dinov2", pretrained=False)
    results, _ = evaluate(
        ["bilinear"], ["segmentation", "consistency"], ["camvid"],
        settings=EvaluationSettings(
            data=data, backbone=backbone, limit=1, train_limit=2, seeds=1
        ),
        out=tmp_path / "out",
    )  # fmt: skip
    assert results.failures == []
    assert len(results.values) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--upsamplers", "none"], "upsampler must be one of nearest"),
        (["--upsamplers", "max_unpool"], "guide_channels must be the 320 channels of the features"),
        (["--upsamplers", "bilinear", "bilinear"], "must have different labels, got twice: bil"),
        (["--upsamplers", "bilinear", "--stride", "5"], "stride must be one of"),
        (["--upsamplers", "bilinear", "--split", "none"], "split must be one of train, val"),
        (["--upsamplers", "bilinear", "--seeds", "0"], "seeds must be at least 1, got 0"),
        (["--upsamplers", "bilinear", "--limit", "0"], "limit must be at least 1, got 0"),
        (
            ["--upsamplers", "bilinear", "--measure", "beauty"],
            "measure must be one of segmentation",
        ),
        (
            ["--upsamplers", "bilinear", "--measure", "depth"],
            "depth needs one of the datasets posed",
        ),
        (["--upsamplers", "bilinear", "--dataset", "vamcid"], "dataset must be one of posed_rgbd"),
        (["--upsamplers", "bilinear", "--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_mistakes_get_one_sentence_before_anything_is_computed(
    more, message, data, tmp_path, capsys
):
    assert command(data, tmp_path / "out", *more) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_without_its_extra_it_says_what_to_install(monkeypatch, data, tmp_path, capsys):
    for name in [n for n in sys.modules if n.startswith("unstride.evaluation")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.startswith("unstride.metrics")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    assert command(data, tmp_path / "out", "--upsamplers", "bilinear") == 1
    assert "pip install 'unstride[train]'" in capsys.readouterr().err
