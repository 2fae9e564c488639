"""What redactions take out and what they leave: exact counts, exact spectra, own seeds."""

import pytest
import torch

from unstride import redact
from unstride.models.regeneration.redaction import REDACTIONS, RandomBlocks, create_redaction
from unstride.transforms.dct import dct
from unstride.transforms.imagenet import IMAGENET_MEAN

MEAN = torch.tensor(IMAGENET_MEAN)[:, None, None]
SPATIAL = ["random_pixels", "random_blocks", "checkerboard"]
every = pytest.mark.parametrize("name", REDACTIONS)


def is_dropped(images, redacted):
    """Mask of the pixels that have the mean colour now; of the others none has changed."""
    dropped = (redacted == MEAN).all(1)
    kept = ~dropped[:, None].expand_as(images)
    torch.testing.assert_close(redacted[kept], images[kept], rtol=0, atol=1e-6)
    return dropped


@pytest.mark.parametrize(("size", "fraction"), [((7, 9), 0.5), ((8, 8), 0.25), ((5, 3), 1.0)])
def test_random_pixels_drops_an_exact_share(size, fraction):
    images = torch.rand(3, 3, *size)
    dropped = is_dropped(images, redact(images, "random_pixels", fraction=fraction))
    assert dropped.sum((1, 2)).tolist() == [round(fraction * size[0] * size[1])] * 3
    if fraction < 1:
        assert not torch.equal(dropped[0], dropped[1])


def test_random_blocks_drops_an_exact_share_of_whole_blocks():
    images = torch.rand(2, 3, 10, 14)  # 3 x 4 blocks of 4, those at the end cut off
    dropped = is_dropped(images, redact(images, "random_blocks", block=4, fraction=0.25))
    for one in dropped:
        blocks = [part for rows in one.split(4) for part in rows.split(4, 1)]
        assert sorted(block.float().mean().item() for block in blocks) == [0.0] * 9 + [1.0] * 3


@pytest.mark.parametrize("block", [1, 3, 4])
def test_a_checkerboard_changes_colour_with_every_block(block):
    images = torch.rand(16, 3, 12, 17)
    dropped = is_dropped(images, redact(images, "checkerboard", block=block))
    assert (dropped[:, block:] != dropped[:, :-block]).all()
    assert (dropped[:, :, block:] != dropped[:, :, :-block]).all()
    assert len({tuple(one.flatten().tolist()) for one in dropped}) > 1  # its position is random


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
@pytest.mark.parametrize(
    ("name", "options", "keeps"),
    [
        ("low_pass", {"cutoff": 0.3}, lambda f: f < 0.3),
        ("high_pass", {"cutoff": 0.3}, lambda f: f >= 0.3),
        ("band_stop", {"low": 0.2, "high": 0.6}, lambda f: (f < 0.2) | (f >= 0.6)),
    ],
)
def test_spectra_keep_what_they_must_and_nothing_else(size, name, options, keeps):
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    before, after = (
        dct(images - MEAN.double()),
        dct(redact(images, name, **options) - MEAN.double()),
    )
    u, v = torch.arange(size[0]) / size[0], torch.arange(size[1]) / size[1]
    kept = keeps((u[:, None] + v) / 2)
    assert 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(after, before * kept, rtol=0, atol=1e-6)


@every
def test_an_image_depends_on_its_own_seed_alone(name):
    images = torch.rand(3, 3, 16, 24)
    together = redact(images, name, seed=[5, 6, 5])
    alone = redact(images[1:2], name, seed=6)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-6)
    assert torch.equal(redact(images, name, seed=7), redact(images, name, seed=[7, 8, 9]))
    same = redact(images[[0, 0]], name, seed=[5, 5])
    assert torch.equal(same[0], same[1])


@every
def test_the_random_numbers_of_a_training_are_left_alone(name):
    state = torch.get_rng_state()
    redact(torch.rand(1, 3, 8, 8, generator=torch.Generator()), name)
    assert torch.equal(state, torch.get_rng_state())


@every
def test_gradients_reach_what_is_kept(name):
    images = torch.rand(1, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    options = {"block": 2} if name in ("random_blocks", "checkerboard") else {}
    assert torch.autograd.gradcheck(lambda x: redact(x, name, **options), images)


def test_none_changes_nothing():
    images = torch.rand(1, 3, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(redact(images, "none"), images)


@pytest.mark.parametrize("name", SPATIAL)
def test_not_a_number_stays_out(name):
    """A dropped pixel is the mean colour, whatever it was."""
    images = torch.full((1, 3, 8, 8), torch.nan)
    redacted = redact(images, name, **({} if name == "random_pixels" else {"block": 2}))
    assert 0 < redacted.isnan().sum() < redacted.numel()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: create_redaction("blur"), "redaction must be one of random_pixels, .*got 'blur'"),
        (lambda: create_redaction("low_pass", block=3), "low_pass has no option block"),
        (
            lambda: create_redaction("random_pixels", fraction=1.5),
            "fraction must be between 0 and 1",
        ),
        (lambda: create_redaction("high_pass", cutoff=-0.1), "cutoff must be between 0 and 1"),
        (lambda: create_redaction("low_pass", cutoff=2), "cutoff must be between 0 and 1, got 2"),
        (lambda: create_redaction("checkerboard", block=0), "block must be at least 1, got 0"),
        (lambda: RandomBlocks(block=2.5), "block must be a whole number, got 2.5"),
        (lambda: RandomBlocks(fraction=-1), "fraction must be between 0 and 1, got -1"),
        (
            lambda: create_redaction("band_stop", low=0.5, high=0.5),
            "low must be below high=0.5, got 0.5",
        ),
        (lambda: redact(torch.rand(3, 8, 8)), r"images must be \(batch, 3, height, width\), got"),
        (lambda: redact(torch.rand(1, 4, 8, 8)), r"got \(1, 4, 8, 8\)"),
        (lambda: redact(torch.rand(2, 3, 8, 8), seed=[1]), "seed must be one number or 2, got 1"),
    ],
)
def test_impossible_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
