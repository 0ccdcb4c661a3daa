"""Is a drawing readable: no text on another, none off the page."""

from __future__ import annotations

import itertools

from matplotlib.axis import Tick
from matplotlib.text import Text


def assert_tidy(drawing):
    """Every text lies on the page and on no other text."""
    page = drawing.bbox
    boxes, hidden = [], _undrawn(drawing)
    for text in drawing.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible() and artist.get_text()):
        box = text.get_window_extent()
        if box.width * box.height == 0 or text in hidden:
            continue
        assert box.x0 >= page.x0 - 1, text
        assert box.y0 >= page.y0 - 1, text
        assert box.x1 <= page.x1 + 1, text
        assert box.y1 <= page.y1 + 1, text
        boxes.append((text.get_text(), box.padded(-1.0)))
    assert len(boxes) > 10
    clashes = [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]
    assert not clashes


def _undrawn(drawing):
    """Labels of ticks outside of the limits: matplotlib keeps them but does not draw them."""
    labels = set()
    for axes in [*drawing.axes, *(child for parent in drawing.axes for child in parent.child_axes)]:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            margin = 1e-9 * (high - low)
            ticks = axis.findobj(Tick)
            outside = [tick for tick in ticks if not low - margin <= tick.get_loc() <= high + margin]
            labels |= {label for tick in outside for label in (tick.label1, tick.label2)}
    return labels
