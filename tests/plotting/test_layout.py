"""The layout of graphs: boxes do not overlap, lines point downwards, around other boxes, and rarely cross."""

import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import cbackprop as cb
from cbackprop import layers, plotting
from cbackprop.plotting.layout import arrange


@st.composite
def graphs(draw):
    """Sizes of boxes, and edges from lower to higher numbers."""
    count = draw(st.integers(1, 12))
    sizes = [(draw(st.integers(20, 200)), draw(st.integers(10, 60))) for _ in range(count)]
    pairs = list(itertools.combinations(range(count), 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return sizes, edges


@hypothesis_settings(max_examples=60, deadline=None)
@given(graphs())
def test_any_graph(graph):
    sizes, edges = graph
    layout = arrange(sizes, edges)
    boxes = []
    for (x, y), (width, height) in zip(layout.centers, sizes, strict=True):
        boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        assert boxes[-1][0] >= -1e-6
        assert boxes[-1][2] <= layout.width + 1e-6
        assert boxes[-1][3] <= layout.height + 1e-6
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    for (start, end), route in zip(edges, layout.routes, strict=True):
        assert route[0] == pytest.approx((layout.centers[start][0], boxes[start][3]))
        assert route[-1][1] == pytest.approx(boxes[end][1])
        assert boxes[end][0] <= route[-1][0] <= boxes[end][2]
        assert all(before[1] <= after[1] + 1e-6 for before, after in itertools.pairwise(route))
        for number, box in enumerate(boxes):
            if number not in (start, end):
                assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in route)


def test_a_line_of_boxes_is_straight():
    layout = arrange([(50, 20), (80, 20), (30, 20)], [(0, 1), (1, 2)])
    assert [x for x, _ in layout.centers] == [40, 40, 40]


def crossings(layout, edges):
    """How many pairs of lines between two rows change sides."""
    (xs, ys) = zip(*layout.centers, strict=True)
    count = 0
    for (a, b), (c, d) in itertools.combinations(edges, 2):
        same_rows = (ys[a], ys[b]) == (ys[c], ys[d])
        count += same_rows and (xs[a] - xs[c]) * (xs[b] - xs[d]) < 0
    return count


# Boxes given in an order in which lines would cross.
PLANAR = {
    "two lines": (4, [(0, 3), (1, 2)]),
    "two lines behind another": (6, [(0, 1), (0, 2), (1, 5), (2, 4), (4, 3), (5, 3)]),
    "a short way beside two long ones": (
        10,
        [(0, 2), (2, 3), (1, 4), (4, 5), (3, 6), (5, 6), (6, 7), (7, 9), (0, 8), (8, 9)],
    ),
    "a box between": (5, [(0, 2), (1, 3), (0, 4)]),
}


@pytest.mark.parametrize("name", PLANAR)
def test_lines_do_not_cross_where_they_need_not(name):
    count, edges = PLANAR[name]
    assert crossings(arrange([(30, 20)] * count, edges), edges) == 0


def test_imported_only_when_it_is_asked_for():
    script = (
        "import sys, cbackprop as cb;"
        "new = {'cbackprop.plotting', 'cbackprop.saving.keras', 'matplotlib', 'scipy.special'} & set(sys.modules);"
        "assert not new, new; cb.plotting.curves; cb.utils.plot_model; assert 'matplotlib' not in sys.modules;"
        "assert not hasattr(cb, 'nothing') and not hasattr(cb.utils, 'nothing')"
    )
    subprocess.run([sys.executable, "-P", "-c", script], check=True, timeout=60)


def test_nothing():
    assert arrange([], []).centers == []


def test_without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit([[1.0, 2.0]], [[1.0]], verbose=0)
    images = cb.Sequential([cb.Input((1, 2)), layers.Flatten(), layers.Dense(1)])
    for draw in (
        history.plot,
        lambda: plotting.curves(history),
        lambda: plotting.confusion([0], [1]),
        lambda: plotting.weights(model),
        lambda: plotting.activations(model, [[1.0, 2.0]]),
        lambda: plotting.saliency(images, [[[1.0, 2.0]]]),
        lambda: plotting.gradient_flow(model, [[1.0, 2.0]], [[1.0]]),
        lambda: cb.utils.plot_model(model, None),
    ):
        with pytest.raises(ImportError, match=r'pip install "cbackprop\[plot\]"'):
            draw()
