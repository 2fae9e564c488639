"""Lines join the cells that match, at their centres, and there are not too many."""

import torch

from unstride.viz.matched_views import GAP, MAX_LINES, cell_centre, matched_views

VIEWS = torch.ones(2, 3, 40, 60)


def test_lines_run_between_the_centres_of_matched_cells():
    is_match = torch.zeros(6, 6, dtype=torch.bool)
    is_match[0, 5] = True
    picture = matched_views(VIEWS, is_match, (2, 3))
    assert picture.shape == (3, 40, 120 + GAP)
    drawn = (picture < 0.99).any(0).nonzero()
    assert drawn.min(0).values.tolist() <= [10, 10]
    first = cell_centre(0, (2, 3), VIEWS.shape)
    last = cell_centre(5, (2, 3), VIEWS.shape)
    assert (first, last) == ((10.0, 10.0), (50.0, 30.0))
    for x, y in (first, (last[0] + 60 + GAP, last[1])):
        assert (picture[:, round(y), round(x)] < 0.99).any()


def test_no_match_no_line_and_many_matches_some_lines():
    empty = matched_views(VIEWS, torch.zeros(6, 6, dtype=torch.bool), (2, 3))
    assert (empty == 1).all()
    everything = torch.ones(100, 100, dtype=torch.bool)
    step = -(-len(everything.nonzero()) // MAX_LINES)
    assert len(everything.nonzero()[::step]) <= MAX_LINES
    assert (matched_views(VIEWS, everything, (10, 10)) < 1).any()
