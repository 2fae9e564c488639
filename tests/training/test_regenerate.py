"""Regeneration in every recipe and in anyone's LightningModule; what it leaves is the network."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

pl = pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes import test_detection, test_featup
from tests.recipes import tiny_coco as scenes
from tests.recipes.test_processes import RUNS, card, recipe_of
from unstride.cli.main import main
from unstride.models.task_network import read_task
from unstride.recipes import detection, segmentation
from unstride.training.regenerate import RegenerationCallback, norms_in_eval, regeneration_picture
from unstride.viz.picture_size import MAX_SIDE

photos = test_featup.photos  # a fixture
WORDS = "random_blocks,block=8,width=4,blocks=1,warm_in=0"
DENSE = [name for name in RUNS if name != "mask_rcnn"]


def run(name, folder, **changes):
    """Options of a short run in a folder of its own."""
    folder.mkdir(exist_ok=True)
    return replace(RUNS[name].options(folder), **({"steps": 2, "regenerate": WORDS} | changes))


def weights(options):
    return load_file(options.out / "model/model.safetensors")


@pytest.mark.parametrize("name", DENSE)
def test_every_dense_recipe_regenerates_and_logs_it(name, tmp_path):
    options = run(name, tmp_path)
    recipe_of(name).fit(options)
    measured = card(options)["regeneration"]
    assert set(measured) == {"mse", "gap_shuffled", "gap_zero", "ratio"}
    assert measured["mse"] > 0
    assert measured["ratio"] > 0
    assert (options.out / "regeneration.png").is_file()
    assert not any("regeneration" in name for name in card(options)["measured"])


@pytest.mark.parametrize("name", DENSE)
def test_a_detached_prediction_trains_the_very_same_network(name, tmp_path):
    """So neither data order, augmentation, dropout nor clipping depends on regeneration."""
    plain = run(name, tmp_path / "plain", regenerate=None, max_grad_norm=0.01)
    detached = run(
        name, tmp_path / "detached", regenerate=f"{WORDS},control=detached", max_grad_norm=0.01
    )
    for options in (plain, detached):
        recipe_of(name).fit(options)
    expected, found = weights(plain), weights(detached)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_the_saved_network_has_no_trace_of_it(tmp_path):
    plain = run("segmentation", tmp_path / "plain", regenerate=None)
    regenerated = run("segmentation", tmp_path / "regenerated", regenerate=f"{WORDS},ratio=1.0")
    for options in (plain, regenerated):
        segmentation.fit(options)
    files = [sorted(p.name for p in (o.out / "model").iterdir()) for o in (plain, regenerated)]
    configs = [
        json.loads((o.out / "model/config.json").read_text(encoding="utf-8"))
        for o in (plain, regenerated)
    ]
    assert files[0] == files[1]
    assert configs[0] == configs[1]
    assert weights(plain).keys() == weights(regenerated).keys()
    head = next(key for key in weights(plain) if key.endswith("weight") and "pyramid" not in key)
    assert not torch.equal(weights(plain)[head], weights(regenerated)[head])  # but it did something
    networks = [read_task(o.out / "model")[0] for o in (plain, regenerated)]
    networks[1].load_state_dict(networks[0].state_dict())
    images = (torch.rand(1, 3, 32, 32),)
    graphs = [torch.export.export(network, images).graph_module.code for network in networks]
    assert graphs[0] == graphs[1]


def test_a_killed_run_goes_on_to_the_same_curve(tmp_path, monkeypatch):
    whole = run("segmentation", tmp_path / "whole", steps=4)
    segmentation.fit(whole)
    stopped = run("segmentation", tmp_path / "stopped", steps=4)
    real = segmentation.SegmentationLearner.losses

    def killed(self, batch):
        if self.global_step == 2:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(segmentation.SegmentationLearner, "losses", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        segmentation.fit(stopped)
    monkeypatch.setattr(segmentation.SegmentationLearner, "losses", real)
    segmentation.fit(stopped)
    assert card(stopped)["curve"] == card(whole)["curve"]
    assert card(stopped)["regeneration"] == card(whole)["regeneration"]
    expected, found = weights(whole), weights(stopped)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_half_types(tmp_path):
    options = run("segmentation", tmp_path, precision="bf16-mixed")
    segmentation.fit(options)
    assert card(options)["regeneration"]["ratio"] > 0


def test_the_cycle_loss_in_a_recipe(tmp_path):
    options = run("multitask", tmp_path, regenerate=f"{WORDS},cycle=0.1")
    recipe_of("multitask").fit(options)
    assert card(options)["regeneration"]["cycle"] > 0


@pytest.mark.parametrize("downsampler", ["blur", "attention_pool"])
def test_featup_regenerates_from_upsampled_features(downsampler, photos, tmp_path):
    options = {"regenerate": WORDS, "downsampler": downsampler}
    written = test_featup.fit(photos, tmp_path / "out", projection="pca", **options)
    assert written["regeneration"]["mse"] > 0
    with pytest.raises(ValueError, match="regenerate needs projection pca or none, got random"):
        test_featup.fit(photos, tmp_path / "random", **options)


def test_tasks_without_dense_predictions_refuse(tmp_path):
    data = scenes.write_pennfudan(tmp_path / "data", count=3)
    options = test_detection.options(data, tmp_path / "out", "fcos", regenerate=WORDS)
    with pytest.raises(ValueError, match="regenerate needs a prediction for every pixel"):
        detection.fit(options)


def test_the_command_line_names_what_is_wrong(tmp_path, capsys):
    words = ["fit", "segmentation", "--data", str(tmp_path), "--regenerate", "blur"]
    assert main(words) != 0
    assert "regenerate: redaction must be one of random_pixels" in capsys.readouterr().err


class Module(pl.LightningModule):
    """A user's own module around anyone's network."""

    def __init__(self, network, all_parameters=True):
        super().__init__()
        self.model, self.all_parameters = network, all_parameters

    def training_step(self, batch, index):
        images, labels = batch
        output = self.model(images)
        logits = (
            output
            if isinstance(output, torch.Tensor)
            else output["out" if "out" in output else "logits"]
        )
        logits = interpolate(logits, labels.shape[1:], mode="bilinear")
        return {"loss": cross_entropy(logits, labels)}

    def configure_optimizers(self):
        return torch.optim.AdamW((self if self.all_parameters else self.model).parameters(), 1e-3)


def torchvision_network():
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)


def smp_network():
    smp = pytest.importorskip("segmentation_models_pytorch")
    return smp.FPN("resnet18", encoder_weights=None, classes=3, decoder_dropout=0.2)


def transformers_network():
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_sizes": [8, 8, 8, 8], "num_attention_heads": [1, 1, 1, 1], "depths": [1] * 4}
    config = transformers.SegformerConfig(**sizes, decoder_hidden_size=8, num_labels=3)
    return transformers.SegformerForSemanticSegmentation(config)


NETWORKS = {
    "torchvision": torchvision_network, "smp": smp_network, "transformers": transformers_network,
}  # fmt: skip


def fit(make, callbacks=(), **trainer):
    """Train a user's module for two batches; returns it."""
    torch.manual_seed(0)
    module = Module(make())
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 3, 64, 64, generator=generator)
    labels = torch.randint(0, 3, (4, 64, 64), generator=generator)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, labels), batch_size=2
    )
    torch.manual_seed(2)
    pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, callbacks=list(callbacks), **trainer,
    ).fit(module, loader)  # fmt: skip
    return module


@pytest.mark.parametrize("name", NETWORKS)
def test_the_callback_serves_anyones_network_and_leaves_no_trace(name):
    before = Module(NETWORKS[name]())
    plain = fit(NETWORKS[name])
    callback = RegenerationCallback({"classes": 3}, "model", f"{WORDS},ratio=1.0")
    regenerated = fit(NETWORKS[name], [callback])
    control = RegenerationCallback({"classes": 3}, "model", f"{WORDS},control=detached")
    detached = fit(NETWORKS[name], [control])
    assert callback.regeneration.step == 2
    assert "regeneration" not in dir(regenerated)
    assert regenerated.training_step.__func__ is Module.training_step
    assert not regenerated.model._forward_hooks
    assert list(regenerated.state_dict()) == list(before.state_dict())
    states = [module.state_dict() for module in (plain, detached, regenerated)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_the_callback_with_accumulated_gradients_and_autocast():
    callback = RegenerationCallback({"classes": 3}, "model", WORDS)
    fit(smp_network, [callback], accumulate_grad_batches=2, precision="bf16-mixed")
    assert callback.regeneration.balance.measured_ratio > 0


def test_the_callback_needs_an_optimizer_for_its_module():
    class Partial(Module):
        def __init__(self, network):
            super().__init__(network, all_parameters=False)

    module = Partial(nn.Conv2d(3, 3, 1))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.rand(2, 3, 8, 8), torch.zeros(2, 8, 8).long())
    )
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        callbacks=[RegenerationCallback({"classes": 3}, "model", WORDS)],
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"must also take the parameters of self\.regeneration"):
        trainer.fit(module, loader)


@pytest.mark.parametrize("output", [{"boxes": 1}, 3, SimpleNamespace(pred=1)])
def test_the_callback_says_when_it_cannot_find_the_prediction(output):
    with pytest.raises(ValueError, match="predictions must be given for a network whose output"):
        RegenerationCallback({"classes": 3}, "model")._only_prediction(output)


def test_batch_norms_keep_their_statistics_while_other_images_pass():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2)).train()
    network[2].eval()
    before = network[1].running_mean.clone()
    with norms_in_eval(network):
        network(torch.rand(2, 3, 4, 4))
    assert torch.equal(network[1].running_mean, before)
    assert [module.training for module in network] == [True, True, False]


def test_shared_attention_trains_and_stays_in_the_folder(tmp_path):
    options = run("segmentation", tmp_path, regenerate=None)
    model_options = {**options.model_options, "shared_attention": {"heads": 2}}
    options = replace(options, model_options=model_options, learning_rate=0.01)
    scores = segmentation.fit(options)
    network, _ = read_task(options.out / "model")
    assert network.attention.correct[1].weight.abs().sum() > 0
    assert segmentation.validate(options) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (8, 8)], ids=str)
def test_a_picture_of_any_batch_is_no_larger_than_viewers_take(size):
    images = torch.rand(80, 3, *size)
    picture = regeneration_picture(SimpleNamespace(last=(images, images, images, None)))
    assert max(picture.shape) <= MAX_SIDE
