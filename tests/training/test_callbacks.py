"""The best weights, early stopping, and batch norm over all devices."""

import subprocess
import sys
import tempfile
from math import nan
from types import SimpleNamespace

import pytest
import torch
from torch import nn

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")

from tests.recipes.test_segmentation import card, options
from tests.recipes.tiny_camvid import write_camvid
from unstride.backbones.timm_backbone import create_backbone
from unstride.formats.atomic_write import place
from unstride.recipes import segmentation
from unstride.training.callbacks import AtomicCheckpointIO, BatchNormSync, BestCheckpoint
from unstride.training.run import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers


class FakeTrainer:
    """What a callback uses of a trainer."""

    def __init__(self):
        self.state, self.should_stop = SimpleNamespace(fn="fit"), False
        self.callback_metrics, self.saved = {}, []

    def save_checkpoint(self, path, weights_only=False):
        self.saved.append((path, weights_only))


def validate(best, trainer, *scores):
    for score in scores:
        trainer.callback_metrics["score"] = torch.tensor(score)
        best.on_validation_end(trainer, None)


@pytest.mark.parametrize(("mode", "sign"), [("max", 1), ("min", -1)])
def test_weights_are_kept_while_they_get_better(mode, sign):
    best, trainer = BestCheckpoint("best.ckpt", "score", mode, 2), FakeTrainer()
    validate(best, trainer, *(sign * score for score in (-3.0, -1.0, -2.0, 0.5)))
    assert trainer.saved == [("best.ckpt", True)] * 3
    assert not trainer.should_stop
    validate(best, trainer, sign * 0.5, nan)
    assert len(trainer.saved) == 3
    assert trainer.should_stop


def test_a_checkpoint_is_written_beside_itself_whole_or_not_at_all(tmp_path, monkeypatch):
    path, real, names = tmp_path / "new" / "last.ckpt", torch.save, []

    def save(content, target):
        names.append(target.name)
        assert target.parent == path.parent
        real(content, target)
        if len(names) == 2:
            raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", save)
    checkpoints = AtomicCheckpointIO()
    checkpoints.save_checkpoint({"step": 1}, str(path))
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save_checkpoint({"step": 2}, path)
    assert checkpoints.load_checkpoint(path) == {"step": 1}
    assert all(name.endswith(".tmp") for name in names)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_run_cleans_its_folder_and_writes_nothing_elsewhere(tmp_path, monkeypatch):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    settings = options(tmp_path, tmp_path / "out")
    leftover = settings.out / "model" / f"model.safetensors.{ended.pid}-{place()}.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("half", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    run = Run(settings)
    assert not leftover.exists()
    assert isinstance(run.trainer.strategy.checkpoint_io, AtomicCheckpointIO)


def test_a_damaged_record_of_a_run_is_a_sentence_with_the_path(tmp_path):
    settings = options(tmp_path, tmp_path / "out")
    settings.out.mkdir(parents=True)
    torch.save({}, settings.out / "last.ckpt")
    (settings.out / "begun.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"begun\.json: not valid JSON"):
        Run(settings)


def test_damaged_best_weights_are_a_sentence_with_the_path(tmp_path):
    run = Run(options(tmp_path, tmp_path / "out"), patience=3)
    (run.out / "best.ckpt").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"best\.ckpt: damaged \("):
        run.load_best_weights(nn.Identity())


def test_a_measurement_after_training_counts_nothing():
    best, trainer = BestCheckpoint("best.ckpt", "score", "max", 1), FakeTrainer()
    trainer.state.fn = "validate"
    validate(best, trainer, 1.0, 0.0, 0.0)
    assert trainer.saved == []
    assert not trainer.should_stop


def test_what_was_ended_stays_ended_and_the_best_is_remembered():
    best, trainer = BestCheckpoint("best.ckpt", "score", "max", 1), FakeTrainer()
    validate(best, trainer, 2.0, 1.0)
    resumed, resumed_trainer = (
        BestCheckpoint("elsewhere/best.ckpt", "score", "max", 1),
        FakeTrainer(),
    )
    resumed.load_state_dict(best.state_dict())
    resumed.on_train_start(resumed_trainer, None)
    assert resumed_trainer.should_stop
    validate(resumed, resumed_trainer, 1.5)
    assert resumed_trainer.saved == []


def test_an_ended_run_that_is_started_again_trains_no_more(tmp_path, monkeypatch):
    data, changes = write_camvid(tmp_path / "data"), {"steps": 8, "val_every": 2, "patience": 1}
    scores = iter([0.5, 0.4, 0.9, 0.9])

    def log_falling_scores(self):
        score = 100 * next(scores) if self.trainer.state.fn == "fit" else 1.0
        self.log("miou", score)
        self.log("boundary_miou", score)

    monkeypatch.setattr(
        segmentation.SegmentationLearner, "on_validation_epoch_end", log_falling_scores
    )
    for _ in range(2):
        segmentation.fit(options(data, tmp_path / "run", **changes))
        assert len(card(tmp_path / "run")["curve"]) == 4


def test_statistics_of_all_devices_keep_the_activations():
    """Lightning's own conversion makes plain norms of timm's, whose ReLU6 is then gone."""
    backbone = create_backbone("tf_efficientnet_lite0", pretrained=False).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone(image)
        synced = BatchNormSync().apply(backbone)
        assert any(isinstance(module, nn.SyncBatchNorm) for module in synced.modules())
        assert torch.equal(synced(image), expected)
