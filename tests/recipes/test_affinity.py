"""Affinity: pairs are what people drew, the likelihood is its formula, and training works."""

import json
from dataclasses import replace

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes.tiny_bsds import write_bsds
from unstride.recipes import affinity, affinity_learner
from unstride.training import run


@pytest.fixture
def bsds(tmp_path):
    return write_bsds(tmp_path)


def test_who_is_together_and_who_is_apart():
    segments = torch.tensor([[[[0, 0, 1], [0, 1, -1]], [[5, 5, 5], [5, 5, 5]]]])
    within, across = affinity_learner.pair_affinities(segments, 3)
    assert within[0, 1, 2].tolist() == [[1.0, 0.5, 0.0], [0.5, 0.5, 0.0]]  # the right neighbour
    assert across[0, 1, 2].tolist() == [[0.0, 0.5, 0.0], [0.5, 0.0, 0.0]]
    assert within[0, 1, 1].sum() == across[0, 1, 1].sum() == 0  # oneself
    assert within[0, 0].sum(0)[0].sum() == 0  # above the map


def test_distances_are_those_of_all_pairs_in_the_window():
    seen = torch.randn(2, 5, 4, 6).double()
    found = affinity_learner.window_squared_distances(seen, 3)
    for y, x, p, q in [(1, 2, 0, 0), (2, 3, 1, 2), (0, 0, 2, 2), (3, 5, 0, 1)]:
        truth = (seen[:, :, y, x] - seen[:, :, y + p - 1, x + q - 1]).square().sum(1)
        torch.testing.assert_close(found[:, p, q, y, x], truth)


def test_the_loss_is_the_likelihood_of_what_people_drew():
    module = affinity_learner.AffinityLearner(steps=1)
    images = torch.rand(1, 3, 32, 32)
    segments = torch.randint(0, 2, (1, 2, 8, 8))
    within, across = module.negative_log_likelihoods(images, segments)
    stage = module.upsampler.smooth
    small = torch.nn.functional.adaptive_avg_pool2d(images, 8)
    seen = stage.pixel_descriptors(small, module.keys(images))[0]
    sums, counts, r = [0.0, 0.0], [0, 0], stage.kernel_size // 2
    for a in range(64):
        for b in range(64):
            (y, x), (i, j) = divmod(a, 8), divmod(b, 8)
            if a == b or max(abs(y - i), abs(x - j)) > r:
                continue
            half = (seen[:, y, x] - seen[:, i, j]).square().sum().double() / 2
            for person in segments[0]:
                apart = int(person[y, x] != person[i, j])
                sums[apart] += (-torch.log(1 - torch.exp(-half)) if apart else half).item()
                counts[apart] += 1
    assert within.item() == pytest.approx(sums[0] / counts[0], rel=1e-3)
    assert across.item() == pytest.approx(sums[1] / counts[1], rel=1e-3)


def test_it_learns_and_a_stopped_run_goes_on_to_the_same_curve(bsds, tmp_path, monkeypatch):
    whole = affinity.Options(
        bsds=bsds, out=tmp_path / "whole", steps=12, batch_size=2, crop_size=64, device="cpu"
    )
    affinity.fit(whole)
    card = json.loads((tmp_path / "whole" / "card.json").read_text(encoding="utf-8"))
    losses = [loss for _, loss in card["curve"]]
    assert sum(losses[-3:]) < sum(losses[:3])
    assert card["after"]["val_across"] > 0

    real = affinity_learner.AffinityLearner.training_step

    def killed(self, batch, index):
        if self.global_step == 5:
            raise KeyboardInterrupt("killed")
        return real(self, batch, index)

    stopped = replace(whole, out=tmp_path / "stopped")
    monkeypatch.setattr(run, "DEFAULT_SAVE_EVERY", 1)
    monkeypatch.setattr(affinity_learner.AffinityLearner, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        affinity.fit(stopped)
    monkeypatch.setattr(affinity_learner.AffinityLearner, "training_step", real)
    affinity.fit(stopped)
    again = json.loads((tmp_path / "stopped" / "card.json").read_text(encoding="utf-8"))
    assert again["curve"] == card["curve"]


def test_the_encoder_stays_and_the_keys_move():
    module = affinity_learner.AffinityLearner(steps=1)
    images, segments = torch.rand(1, 3, 32, 32), torch.randint(0, 2, (1, 3, 8, 8))
    sum(module.negative_log_likelihoods(images, segments)).backward()
    learned = {n for n, p in module.keys.named_parameters() if p.grad is not None}
    assert learned
    assert not any(n.startswith("encoder.") for n in learned)
    assert all(n.startswith("encoder.") or n in learned for n, _ in module.keys.named_parameters())
