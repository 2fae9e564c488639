"""Views that pad, zoom, crop and flip: one coordinate map for an image and maps of any combs."""

import torch

from unstride.transforms.jitter import apply_jitters, random_jitters

FRAME, SIZE = (48, 72), (30, 20)


def views(n=200, **options):
    options = {"pad": 10.0, "zoom": (1.2, 2.0), "generator": torch.Generator().manual_seed(0)} | (
        options
    )
    return random_jitters(n, FRAME, (32, 64), **options)


def ramps(frame=FRAME):
    """A map of the x, and one of the y of each pixel's centre, linear between them."""
    rows, columns = (torch.arange(n) + 0.5 for n in frame)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[None]


def folded(at, edge):
    """Where a mirror at 0 and one at `edge` send a place."""
    for i, place in enumerate(at):
        while not 0 <= place <= edge:
            place = -place if place < 0 else 2 * edge - place
        at[i] = place
    return at


def test_views_stay_in_the_padded_image_and_zoom_as_asked():
    start, extent = views().unbind(2)
    low, high = torch.minimum(start, start + extent), torch.maximum(start, start + extent)
    room = torch.tensor([72.0, 48.0])
    assert (low >= -10 - 1e-4).all()
    assert (high <= room + 10 + 1e-4).all()
    factor = torch.tensor([64.0, 32.0]) / extent.abs()
    torch.testing.assert_close(factor[:, 0], factor[:, 1])  # pixels stay square
    zoomed = factor[:, 0] > 1.01
    assert ((factor[zoomed] > 1.2 - 1e-4) & (factor[zoomed] < 2 + 1e-4)).all()
    for share in (zoomed, extent[:, 0] < 0):
        assert abs(share.float().mean() - 0.5) < 5 * (0.25 / 200) ** 0.5  # 5 deviations
    assert (extent[:, 1] > 0).all()
    reached = low.amin(0), (high - room).amax(0)
    assert (reached[0] < -8).all()
    assert (reached[1] > 8).all()


def test_views_follow_the_generator_alone():
    assert torch.equal(views(), views())
    assert not torch.equal(views(), views(generator=torch.Generator().manual_seed(1)))


def test_a_view_larger_than_the_padded_image_is_centred():
    start, extent = random_jitters(
        1, (8, 8), (32, 32), pad=4.0, zoom=(1.0, 1.0), generator=torch.Generator()
    )[0].unbind(1)
    torch.testing.assert_close(start + extent / 2, torch.tensor([4.0, 4.0]))


def test_a_ramp_of_coordinates_says_where_a_view_looks_whatever_the_comb():
    some = views(12)
    image = ramps()
    for stride, corner in ((1, (0, 0)), (4, (0, 0)), (4, (1, 3)), (4, (1.5, 1.5))):
        if corner == (1.5, 1.5):  # averages: their centres lie between pixels
            comb = torch.nn.functional.avg_pool2d(image, 4)
        else:
            comb = image[:, :, corner[0] :: stride, corner[1] :: stride]
        first = float(corner[0]), float(corner[1])
        seen = apply_jitters(some, comb, SIZE, image_size=FRAME, stride=stride, origin=first)
        for axis, (edge, samples, view) in enumerate(((72, SIZE[1], 0), (48, SIZE[0], 1))):
            steps = (torch.arange(samples) + 0.5) / samples
            for i, (start, extent) in enumerate(some[:, view].tolist()):
                at = folded(start + extent * steps, edge)
                low, high = comb[0, axis].min(), comb[0, axis].max()  # repeated beyond these
                line = seen[i, axis, 0] if axis == 0 else seen[i, axis, :, 0]
                torch.testing.assert_close(line, at.clamp(low, high), rtol=0, atol=1e-3)


def test_gradients_go_back_to_the_one_map():
    maps = torch.randn(1, 3, *FRAME, requires_grad=True)
    some = views(5)
    apply_jitters(some, maps, SIZE).sum().backward()
    apart = torch.zeros_like(maps)
    for view in some:
        again = maps.detach().requires_grad_()
        apply_jitters(view[None], again, SIZE).sum().backward()
        apart += again.grad
    torch.testing.assert_close(maps.grad, apart)
