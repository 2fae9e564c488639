"""Nothing happens at import, and nothing heavy is loaded."""

import json
import subprocess
import sys

HEAVY = {
    "timm", "torchvision", "numba", "triton", "pytorch_lightning", "torchmetrics", "onnx",
    "onnxscript", "onnxruntime", "jsonargparse", "rich", "PIL", "skimage", "matplotlib", "beartype",
    "huggingface_hub",
}  # fmt: skip


EVERY_NAME = "import unstride; [getattr(unstride, name) for name in unstride.__all__]"


def modules_after(code: str) -> set[str]:
    listing = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    command = [sys.executable, "-c", f"{code}\n{listing}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavier_than_torch():
    added = modules_after(EVERY_NAME) - modules_after("import torch, jaxtyping")
    assert added <= {"unstride", "safetensors"}
    assert not added & HEAVY


def test_import_changes_no_seed_and_no_flag_and_prints_nothing():
    code = (
        "import torch\n"
        "before = torch.random.get_rng_state(), torch.get_num_threads(), torch.is_grad_enabled()\n"
        "import unstride\n"
        "assert torch.equal(before[0], torch.random.get_rng_state())\n"
        "assert before[1:] == (torch.get_num_threads(), torch.is_grad_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_answers_without_torch():
    code = (
        "import sys\n"
        "from unstride.cli.main import main\n"
        "try:\n    main({arguments})\n"
        "except SystemExit as stop:\n    assert stop.code in (0, None)"
    )
    for command in ([], ["upsample"], ["explain"], ["eval"]):
        arguments = [*command, "--help"]
        loaded = modules_after(code.format(arguments=arguments))
        assert "torch" not in loaded, arguments
