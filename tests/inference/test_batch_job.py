"""A batch does every image that can be done, and cleans up after runs that were killed."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from tests.formats.test_errors import NoText, Unprintable
from unstride.formats.atomic_write import place
from unstride.inference.batch_job import ImageJob, run_batch


class Job(ImageJob):
    """Raises an error for the image called b, or when it finishes."""

    def __init__(self, error, end_error=None, note=None):
        self.error, self.end_error, self.note, self.done = error, end_error, note, []

    def run(self, image_path, output_stem, progress):
        if image_path.stem == "b" and self.error is not None:
            raise self.error
        self.done.append(image_path.stem)
        return self.note

    def finish(self, finished):
        if self.end_error is not None:
            raise self.end_error


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        Image.new("RGB", (4, 4)).save(folder / f"{name}.png")
    return folder


ERRORS = {
    RuntimeError(): "RuntimeError",
    ValueError("\n"): "ValueError",
    ValueError("one\ntwo"): "one",
    MemoryError(): "not enough memory",
    IndexError(): "IndexError",
    KeyError("size"): "KeyError: 'size'",
    AssertionError(): "AssertionError",
    ZeroDivisionError("division by zero"): "ZeroDivisionError: division by zero",
    Unprintable(): "Unprintable",
    NoText(): "NoText",
    ValueError("shape must be [/h, w] or [red]"): "shape must be [/h, w] or [red]",
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_error_costs_one_image_and_no_more(error, photos, tmp_path, capsys):
    job = Job(error)
    assert run_batch("upsample", [str(photos)], tmp_path / "out", lambda: job) == 1
    assert job.done == ["a", "c"]
    told = capsys.readouterr().err
    assert f"failed: {photos / 'b.png'}: {ERRORS[error]}\n" in told
    assert "2 of 3 images" in told


def test_the_path_is_named_once(photos, tmp_path, capsys):
    job = Job(ValueError(f"{photos / 'b.png'}: damaged (cut)"))
    run_batch("upsample", [str(photos)], tmp_path / "out", lambda: job)
    assert f"failed: {photos / 'b.png'}: damaged (cut)\n" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError("No space left"), KeyError("found"), ValueError()])
def test_an_error_at_the_end_is_told_after_the_images_are_done(error, photos, tmp_path, capsys):
    job = Job(None, end_error=error)
    assert run_batch("predict", [str(photos)], tmp_path / "out", lambda: job) == 1
    assert "3 of 3 images" in (told := capsys.readouterr().err)
    assert "failed: " in told


@pytest.mark.parametrize("error", [RuntimeError(), MemoryError(), OSError("a\nb")])
def test_an_error_before_the_first_image_is_one_line(error, photos, tmp_path, capsys):
    def refuse():
        raise error

    assert run_batch("upsample", [str(photos)], tmp_path / "out", refuse) == 1
    line, rest = capsys.readouterr().err.split("\n", 1)
    assert len(line) > len("unstride upsample: ")
    assert rest == ""


def test_names_in_brackets_are_names(photos, tmp_path, capsys):
    (photos / "[").mkdir()
    Image.new("RGB", (4, 4)).save(photos / "[" / "b].png")
    job = Job(None, note="[/bold] is no markup")
    assert run_batch("predict", [str(photos / "[" / "b].png")], tmp_path / "[/x]", lambda: job) == 0
    told = capsys.readouterr().err
    assert f"{photos / '[' / 'b].png'}: [/bold] is no markup\n" in told
    assert f"1 of 1 images are in {tmp_path / '[/x]'}/" in told.replace("\n", "")


def test_files_of_killed_runs_are_gone_and_those_of_living_runs_stay(photos, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    records = tmp_path / "out" / "records"
    records.mkdir(parents=True)
    dead = records / f"a.json.{ended.pid}-{place()}.tmp"
    living = records / f"b.json.{os.getppid()}-{place()}.tmp"
    for path in (dead, living):
        path.write_text("half", encoding="utf-8")
    run_batch("predict", [str(photos)], tmp_path / "out", lambda: Job(None))
    assert not dead.exists()
    assert living.exists()
