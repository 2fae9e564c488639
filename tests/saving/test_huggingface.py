"""huggingface_hub against a server on loopback: what is uploaded, and what loads back."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

import unstride
from tests.saving.hub_server import running_hub
from unstride.saving import huggingface as hub
from unstride.saving.folder import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME
from unstride.upsamplers import Upsampler

ROOT = Path(__file__).parents[2]
START = "import torch, unstride\nfrom unstride.upsamplers import Upsampler\ntorch.manual_seed(3)\n"


def run(code, endpoint, folder):
    """Run code in a process of its own, whose Hub is `endpoint` and whose cache is empty."""
    hub_variables = {
        "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "HF_TOKEN": "hf_nobody",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "0",
    }  # fmt: skip
    command = [sys.executable, "-c", START + code]
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    environment |= hub_variables
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd=folder, env=environment, timeout=300
    )


def test_what_is_pushed_loads_back_and_the_card_is_left_alone(tmp_path):
    code = (
        "up = unstride.create_upsampler('carafe', 8, kernel_size=3)\n"
        "print(up.push_to_hub('me/carafe', private=True, commit_message='mine'))\n"
        "again = Upsampler.from_pretrained('me/carafe')\n"
        "assert all(torch.equal(p, q) for p, q in zip(up.parameters(), again.parameters()))\n"
        "assert type(unstride.from_pretrained('me/carafe')) is type(up)\n"
        "up.channel_compressor.bias.data.fill_(7)\n"
        "up.push_to_hub('me/carafe')\n"
    )
    with running_hub() as server:
        done = run(code, server.address, tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{server.address}/me/carafe\n"
        files, created = server.repositories["me/carafe"], server.created["me/carafe"]
    assert set(files) == {CARD_NAME, CONFIG_NAME, WEIGHTS_NAME}
    assert created.get("private") or created.get("visibility") == "private"
    assert server.messages == ["mine", "Upload with unstride"]
    held = json.loads(files[CONFIG_NAME])
    assert (held["upsampler"], held["options"]["kernel_size"]) == ("carafe", 3)
    assert (load(files[WEIGHTS_NAME])["channel_compressor.bias"] == 7).all()
    assert b"library_name: unstride" in files[CARD_NAME]
    assert server.uploaded == [[CARD_NAME, CONFIG_NAME, WEIGHTS_NAME], [CONFIG_NAME, WEIGHTS_NAME]]


def test_what_cannot_be_fetched_gets_one_sentence(tmp_path):
    code = (
        "for repo_id in ['me/nothing', 'me/other']:\n"
        "    try:\n        unstride.from_pretrained(repo_id)\n"
        "    except (OSError, ValueError) as error:\n"
        "        print(f'{type(error).__name__}: {error}')\n"
        "try:\n    unstride.create_upsampler('bilinear', 8).push_to_hub('no good')\n"
        "except OSError as error:\n    print(error)\n"
    )
    with running_hub() as server:
        server.repositories["me/other"] = {"pytorch_model.bin": b"pickled", CONFIG_NAME: b"{}"}
        done = run(code, server.address, tmp_path)
        fetched = [path for _, path in server.requests if "pytorch_model" in path]
    assert done.returncode == 0, done.stderr
    missing, other, pushed = done.stdout.splitlines()
    assert missing.startswith("OSError: me/nothing is not a local folder, and cannot be downloaded")
    assert other.startswith("ValueError: ")
    assert "upsampler None is not in this library" in other
    assert pushed.startswith("no good cannot be uploaded to the Hub (")
    assert not fetched  # a pickle is not even asked for


def test_without_a_network_it_says_so(tmp_path):
    code = (
        "up = unstride.create_upsampler('nearest', 1)\n"
        "for function in (unstride.from_pretrained, up.push_to_hub):\n"
        "    try:\n        function('me/x')\n"
        "    except OSError as error:\n        print(error)\n"
    )
    done = run(code, "http://127.0.0.1:9", tmp_path)
    assert done.returncode == 0, done.stderr
    fetched, pushed = done.stdout.splitlines()
    assert fetched.startswith("me/x is not a local folder, and cannot be downloaded from the Hub")
    assert pushed.startswith("me/x cannot be uploaded to the Hub (")


def test_a_hub_that_answers_is_reachable_and_nothing_stays_changed(monkeypatch):
    from huggingface_hub import constants

    with running_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        with hub.downloads_from_hub() as is_reachable:
            assert is_reachable
            assert not constants.HF_HUB_OFFLINE
        assert len(server.requests) == 1  # one question
    found = []

    def fail():
        with hub.downloads_from_hub() as is_reachable:
            found.extend([is_reachable, constants.HF_HUB_OFFLINE])
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert found == [False, True]
    assert not constants.HF_HUB_OFFLINE


def test_a_hub_that_does_not_answer_is_left_soon(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        start = time.monotonic()
        assert not hub.is_hub_reachable()
        assert time.monotonic() - start < 10


def test_a_name_that_is_looked_up_for_ever_is_left_soon(monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: time.sleep(20))
    start = time.monotonic()
    assert not hub.is_hub_reachable()
    assert time.monotonic() - start < 10


def test_the_cache_is_used_without_a_network(tmp_path):
    code = (
        "from huggingface_hub import constants\n"
        "up = unstride.create_upsampler('carafe', 8)\n"
        "up.push_to_hub('me/carafe')\n"
        "unstride.from_pretrained('me/carafe')\n"
        "constants.ENDPOINT = 'http://127.0.0.1:9'\n"
        "again = unstride.from_pretrained('me/carafe')\n"
        "assert all(torch.equal(p, q) for p, q in zip(up.parameters(), again.parameters()))\n"
    )
    with running_hub() as server:
        done = run(code, server.address, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["nowhere", "/a/b", "a/b/c", "../a", "me/", "C:\\a", "a b/c"])
def test_neither_folder_nor_repository(name):
    with pytest.raises(
        ValueError, match="folder_or_repo must be a folder, or a repository USER/NAME"
    ):
        hub.download_folder(name)


def test_a_folder_comes_before_a_repository_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    up = unstride.create_upsampler("deconv", 3)
    up.save_pretrained("me/local")
    assert torch.equal(Upsampler.from_pretrained("me/local").conv.weight, up.conv.weight)
