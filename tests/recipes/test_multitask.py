"""Several tasks: their steps, scores and labels; normals come from depth and follow a flip."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of lightning, about loaders and loggers

from tests.recipes.tiny_depth import (
    TINY_OPTIONS,
    H,
    W,
    states_equal,
    write_nyuv2,
    write_nyuv2_tasks,
    write_posed_rgbd,
)
from unstride.cli.main import main
from unstride.datasets.multi_task import NORMAL_STEP, MultiTaskDataset
from unstride.datasets.nyuv2_tasks import NYUv2MultiTask
from unstride.formats.labels import UNLABELLED
from unstride.models.task_network import create_task_network, read_task
from unstride.recipes import multitask
from unstride.recipes.multitask import Options
from unstride.transforms.normals import normals_from_depth

LIMITS = ("11.25", "22.5", "30")
ALL = ("segmentation", "depth", "normals")
ROOMS = {
    "posed_rgbd": (write_posed_rgbd, ("depth", "normals")),
    "nyuv2": (write_nyuv2, ("normals", "depth")),
    "nyuv2_tasks": (write_nyuv2_tasks, ALL),
}


def options_of(name, folder, **other):
    make, tasks = ROOMS[name]
    root = folder / name
    data = root if root.exists() else make(root)
    places = {"data": data, "out": folder / "out", "dataset": name, "tasks": tasks}
    return Options(**{**TINY_OPTIONS, **places, **other})


def curve(out):
    return json.loads((out / "card.json").read_text(encoding="utf-8"))["curve"]


@pytest.mark.parametrize("name", ROOMS)
def test_two_steps_move_every_parameter_and_leave_a_folder_that_scores_the_same(name, tmp_path):
    options = options_of(name, tmp_path, weight_decay=0.0, learning_rate=0.01, crop_size=(16, 24))
    scores = multitask.fit(options)
    expected = {
        "segmentation": {"miou"},
        "depth": {"abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3"},
        "normals": {f"angle_{n}" for n in ("mean", "median", *(f"below_{x}" for x in LIMITS))},
    }  # fmt: skip
    assert set(scores) == set().union(*(expected[task] for task in options.tasks))
    assert all(torch.isfinite(torch.tensor(value)) for value in scores.values())

    network, config = read_task(options.out / "model")
    assert list(network.tasks) == config["options"]["tasks"] == list(options.tasks)
    torch.manual_seed(options.seed)
    start = create_task_network(config).state_dict()
    assert [n for n, p in network.named_parameters() if torch.equal(p, start[n])] == []
    assert multitask.validate(options) == pytest.approx(scores, abs=1e-5)


def test_the_folder_gives_the_outputs_that_were_trained(tmp_path, monkeypatch):
    networks = []

    class Recorded(multitask.MultiTaskLearner):
        def __init__(self, network, *rest):
            networks.append(network)
            super().__init__(network, *rest)

    monkeypatch.setattr(multitask, "MultiTaskLearner", Recorded)
    options = options_of("nyuv2_tasks", tmp_path, upsampler="dysample")
    multitask.fit(options)
    network, config = read_task(options.out / "model")
    assert len(config["classes"]) == 13
    image = torch.rand(1, 3, H, W)
    with torch.no_grad():
        assert states_equal(network(image), networks[0].eval()(image))


def test_a_run_that_was_killed_goes_on_to_the_same_curve(tmp_path, monkeypatch):
    whole = options_of("nyuv2_tasks", tmp_path, steps=3, val_every=3)
    multitask.fit(whole)
    killed = replace(whole, out=tmp_path / "killed")
    step = multitask.MultiTaskLearner.training_step

    def fails(self, batch, index):
        if self.global_step == 2:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(multitask.MultiTaskLearner, "training_step", fails)
        with pytest.raises(RuntimeError, match="killed"):
            multitask.fit(killed)
    multitask.fit(killed)
    assert curve(killed.out) == curve(whole.out)
    assert len(curve(whole.out)) == 3
    one, other = (read_task(o.out / "model")[0].state_dict() for o in (whole, killed))
    assert states_equal(one, other)


@pytest.mark.parametrize(
    ("tasks", "monitor"),
    [
        (ALL, ("miou", "max")),
        (("depth",), ("abs_rel", "min")),
        (("normals",), ("angle_mean", "min")),
    ],
)
def test_the_first_task_says_which_weights_are_best(tasks, monitor, tmp_path):
    options = options_of("nyuv2_tasks", tmp_path, tasks=tasks, freeze_norms=False)
    assert multitask.MultiTaskLearner(torch.nn.Module(), options, ["a", "b"]).monitor == monitor


def test_perfect_answers_have_perfect_scores(tmp_path):
    options = options_of("nyuv2_tasks", tmp_path, freeze_norms=False)
    source = multitask.load_split(options, "val")
    image, labels = source[0]

    class Told(torch.nn.Module):
        tasks = dict.fromkeys(ALL)

        def forward(self, images):
            classes = labels["segmentation"].clamp(max=12)
            logits = torch.nn.functional.one_hot(classes, 13).movedim(-1, 0).float()
            return {
                "segmentation": logits[None], "depth": labels["depth"][None],
                "normals": 7 * labels["normals"][None],
            }  # fmt: skip

    learner, said = multitask.MultiTaskLearner(Told(), options, source.classes), {}
    learner.log = lambda name, value, **how: said.update({name: float(value)})
    learner.log_dict = lambda values, **how: said.update({k: float(v) for k, v in values.items()})
    batch = image[None], {task: label[None] for task, label in labels.items()}
    learner.validation_step(batch, 0)
    learner.on_validation_epoch_end()
    assert said["miou"] == pytest.approx(100, abs=1e-3)
    assert (said["abs_rel"], said["delta1"]) == (0, 1)
    assert said["angle_mean"] < 0.01
    learner.validation_step((batch[0], batch[1] | {"depth": 2 * batch[1]["depth"]}), 0)
    learner.on_validation_epoch_end()
    assert said["abs_rel"] == pytest.approx(0.5)  # and nothing of the photograph before


def test_a_flip_turns_normals_and_moves_the_rest(tmp_path):
    options = options_of("posed_rgbd", tmp_path, colour_jitter=0.0)
    column = torch.arange(W).float().expand(H, -1)
    normals = torch.tensor([0.6, 0.0, -0.8])[:, None, None].expand(3, H, W)
    labels = {"depth": column + 1, "normals": normals, "segmentation": column.long()}
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        image, moved = multitask.create_transform(options)((column / W).expand(3, H, W), labels)
        flipped = bool(image[0, 0, 0] > 0.5)
        seen.add(flipped)
        torch.testing.assert_close(moved["depth"], image[0] * W + 1)
        torch.testing.assert_close(moved["segmentation"].float(), image[0] * W)
        sign = torch.tensor([-1.0 if flipped else 1.0, 1, 1])[:, None, None]
        torch.testing.assert_close(moved["normals"], sign * normals)
    assert seen == {True, False}


def test_labels_are_those_of_the_files(tmp_path):
    source = MultiTaskDataset("nyuv2_tasks", write_nyuv2_tasks(tmp_path / "n"), "train", tasks=ALL)
    image, labels = source[1]
    assert image.shape == (3, H, W)
    assert labels["segmentation"][0, 0] == UNLABELLED
    assert labels["segmentation"].flatten()[60] == 0
    assert (labels["depth"] == 2).all()
    torch.testing.assert_close(labels["normals"][2], torch.full((H, W), -1.0))
    assert source.dataset.names == ["0", "1"]


def test_normals_are_those_of_the_depth_before_the_camera(tmp_path):
    source = MultiTaskDataset(
        "posed_rgbd", write_posed_rgbd(tmp_path / "k"), "all", tasks=["normals"]
    )
    _, labels = source[1]
    depth, camera = source.dataset[1][1][None], source.dataset.intrinsics[1][None]
    assert list(labels) == ["normals"]
    assert torch.equal(labels["normals"], normals_from_depth(depth, camera, step=NORMAL_STEP)[0])


def test_the_camera_of_nyuv2_is_that_of_the_size(tmp_path):
    for name in ("nyuv2", "nyuv2_tasks"):
        source = MultiTaskDataset(name, ROOMS[name][0](tmp_path / name), "train", tasks=["depth"])
        camera = source.dataset.intrinsics_for(0, (240, 320))
        assert camera[0, 0].item() == pytest.approx(518.857901 / 2)
        assert camera[1, 2].item() == pytest.approx((253.736166 + 0.5) / 2)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            ["--dataset", "camvid"],
            "dataset must be one of posed_rgbd, nyuv2, nyuv2_tasks, got 'camvid'",
        ),
        (
            ["--tasks", "[depth, segmentation]"],
            "dataset posed_rgbd must be among depth, normals, got 'segmentation'",
        ),
        (["--tasks", "[]"], "tasks must have at least one value, got ()"),
        (["--model_options", "{length: 8}"], "length"),
    ],
)
def test_what_there_is_not_is_said_in_one_line(chosen, message, tmp_path, capsys):
    data = write_posed_rgbd(tmp_path / "kitchen")
    common = ["--data", str(data), "--out", str(tmp_path / "out"), "--backbone", "resnet18"]
    assert main(["fit", "multitask", *common, "--pretrained", "false", *chosen]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("label", b"no array", "label/0.npy"),
        ("depth", None, "depth/0.npy: no such label"),
        ("image", "small", "expected an array of shape h x w x 3"),
    ],
)
def test_a_sentence_names_the_file(kind, content, message, tmp_path):
    import numpy as np

    path = write_nyuv2_tasks(tmp_path / "n") / "train" / kind / "0.npy"
    if content is None:
        path.unlink()
    elif content == "small":
        np.save(path, np.zeros((4, 4)))
    else:
        path.write_bytes(content)
    with pytest.raises((ValueError, OSError), match=message):
        MultiTaskDataset("nyuv2_tasks", tmp_path / "n", "train", tasks=ALL)[0]


def test_bytes_are_photographs_and_other_numbers_above_one_are_refused(tmp_path):
    root = write_nyuv2_tasks(tmp_path / "n")
    source = NYUv2MultiTask(root, "train")
    path = source.image_paths[0]
    real, _ = source[0]
    np.save(path, (255 * np.load(path)).round().astype(np.uint8))
    torch.testing.assert_close(source[0][0], real, atol=0.5 / 255 + 1e-6, rtol=0)
    np.save(path, 255 * np.load(path).astype(np.float32))
    with pytest.raises(ValueError, match=rf"{path.name}: floating-point RGB must be in"):
        source[0]
