"""The code in README and docs runs, and what they name exists."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md", "docs/adding_an_operator.md", "docs/dejavu.md", "docs/explain.md",
    "docs/featup_implicit.md", "docs/inpainting.md", "docs/matting.md",
    "docs/layer.md", "docs/swap.md", "docs/tasks.md", "docs/upsamplers.md",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((100, 70), 60).convert("RGB").save("photo.jpg")
    examples = re.findall(
        r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    assert examples
    for example in examples:
        exec(compile(example, page, "exec"), {})


def test_the_example_in_the_readme_has_ten_lines():
    example = re.search(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(example[1].strip().splitlines()) <= 10


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(ROOT)) for p in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
)
def test_links_and_pictures_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_make_command_that_is_named_exists():
    rules = set(
        re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for page in [*PAGES, "docs/featup.md", "CONTRIBUTING.md"]:
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^)make ([\w-]+)", text, re.MULTILINE))
        assert named <= rules, page


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(ROOT)) for p in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
)
def test_modules_and_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in set(re.findall(r"\bunstride(?:\.\w+)+", text)):
        assert resolve_name(name) is not None, name
    for file in set(re.findall(r"`((?:unstride/)?[a-z_]+/[a-z_/]+\.py)`", text)):
        assert (ROOT / file).is_file() or (ROOT / "unstride" / file).is_file(), file
