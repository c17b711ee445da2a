"""Lay out the boxes of a graph in rows, with few crossings and mostly straight lines.

The method is Sugiyama's. The row of a box is given by the longest path to it. A line that passes a row gets an
invisible box there. The boxes of a row are sorted by the mean position of their neighbors, and then placed as close to
it as the widths allow.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "arrange"]

Point = tuple[float, float]
Edge = tuple[int, int]

ROW_GAP, COLUMN_GAP, LINE_WIDTH = 26.0, 18.0, 6.0
ATTEMPTS, SWEEPS = 8, 12


@dataclass
class Layout:
    """The positions of boxes and lines, from the upper left corner.

    Attributes
    ----------
    centers : list of (x, y)
    routes : list of list of (x, y)
        For each edge the points that it passes: straight down within a row, curved between rows.
    width, height : float
    """

    centers: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def arrange(sizes: Sequence[Point], edges: Sequence[Edge]) -> Layout:
    """Place boxes of these sizes (width, height) so that edges, which must not form a cycle, point downwards.

    References
    ----------
    Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", IEEE Transactions
    on Systems, Man, and Cybernetics 11, 1981.
    """
    if not sizes:
        return Layout([], [], 0.0, 0.0)
    rows_of = _rows_of(len(sizes), edges)
    widths = [width for width, _ in sizes]
    chains, links = _chains(edges, rows_of, widths)
    rows: list[list[int]] = [[] for _ in range(max(rows_of) + 1)]
    for box, row in enumerate(rows_of):
        rows[row].append(box)
    above, below = _neighbours(len(widths), links)
    _order(rows, above, below)
    x = _columns(rows, widths, above, below)
    left = min(x[box] - widths[box] / 2 for box in range(len(x)))
    x = [place - left for place in x]
    tops, heights = _row_places(rows, sizes)
    centers = [(x[box], tops[rows_of[box]] + heights[rows_of[box]] / 2) for box in range(len(sizes))]
    routes = [_route(chain, x, rows_of, tops, heights, sizes, centers) for chain in chains]
    _spread_ends(routes, edges, widths)
    width = max(x[box] + widths[box] / 2 for box in range(len(x)))
    return Layout(centers, routes, width, tops[-1] + heights[-1])


def _rows_of(count: int, edges: Sequence[Edge]) -> list[int]:
    """The row of each box: one below the lowest box before it. A box without one is placed just above the next."""
    rows = [0] * count
    for _ in range(count):
        changed = False
        for start, end in edges:
            if rows[end] <= rows[start]:
                rows[end], changed = rows[start] + 1, True
        if not changed:
            break
    ends = {end for _, end in edges}
    for box in range(count):
        followers = [rows[end] for start, end in edges if start == box]
        if box not in ends and followers:
            rows[box] = min(followers) - 1
    return rows


def _chains(edges: Sequence[Edge], rows_of: list[int], widths: list[float]) -> tuple[list[list[int]], list[Edge]]:
    """For each edge the boxes that it passes. Invisible boxes are added for the rows between its ends."""
    chains: list[list[int]] = []
    for start, end in edges:
        chain = [start]
        for row in range(rows_of[start] + 1, rows_of[end]):
            chain.append(len(widths))
            widths.append(LINE_WIDTH)
            rows_of.append(row)
        chains.append([*chain, end])
    return chains, [link for chain in chains for link in pairwise(chain)]


def _neighbours(count: int, links: list[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    return above, below


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Sort the boxes of each row so that there are few crossings.

    Sorting by neighbors gets stuck if means are equal, so several initial orders are tried and the best result is kept.
    """
    chance = random.Random(0)
    fewest, best = _crossings(rows, below), [list(row) for row in rows]
    for attempt in range(ATTEMPTS):
        if not fewest:
            break
        order = [chance.sample(row, len(row)) if attempt else list(row) for row in rows]
        for sweep in range(SWEEPS):
            _sort(order, above if sweep % 2 == 0 else below, down=sweep % 2 == 0)
            crossings = _crossings(order, below)
            if crossings < fewest:
                fewest, best = crossings, [list(row) for row in order]
    rows[:] = best


def _sort(rows: list[list[int]], near: list[list[int]], down: bool) -> None:
    """Sort each row by the mean position of its neighbors in the row above or, if not `down`, in the row below."""
    order = rows if down else rows[::-1]
    for fixed, row in pairwise(order):
        place = {box: index for boxes in (fixed, row) for index, box in enumerate(boxes)}
        row.sort(key=lambda box: _mean([place[other] for other in near[box]], place[box]))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: list[list[int]], below: list[list[int]]) -> int:
    count = 0
    for row, after in pairwise(rows):
        place = {box: index for index, box in enumerate(after)}
        ends = [place[end] for box in row for end in sorted(below[box], key=place.__getitem__)]
        count += sum(a > b for index, a in enumerate(ends) for b in ends[index + 1 :])
    return count


def _columns(rows: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]]) -> list[float]:
    """The center of each box, as close to its neighbors as the order and the widths of its row allow."""
    x = [0.0] * len(widths)
    for row in rows:
        _pack(row, [0.0] * len(row), widths, x)
    for sweep in range(4 * SWEEPS):
        near = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_mean([x[other] for other in near[box]], x[box]) for box in row]
            _pack(row, wanted, widths, x)
    for row in rows:
        both = [_mean([x[other] for other in above[box] + below[box]], x[box]) for box in row]
        _pack(row, both, widths, x)
    return x


def _pack(row: list[int], wanted: list[float], widths: list[float], x: list[float]) -> None:
    """Set the centers of a row so that boxes do not overlap and the squared distance from `wanted` is smallest.

    After subtracting the minimum distances between boxes this is isotonic regression, which pooling solves.
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + COLUMN_GAP)
    pools: list[list[float]] = []  # sum and number of each pool
    for place, offset in zip(wanted, offsets, strict=True):
        pools.append([place - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, number = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += number
    places = [total / number for total, number in pools for _ in range(int(number))]
    for box, place, offset in zip(row, places, offsets, strict=True):
        x[box] = place + offset


def _row_places(rows: list[list[int]], sizes: Sequence[Point]) -> tuple[list[float], list[float]]:
    heights = [max((sizes[box][1] for box in row if box < len(sizes)), default=0.0) for row in rows]
    tops = [sum(heights[:index]) + ROW_GAP * index for index in range(len(rows))]
    return tops, heights


def _route(
    chain: list[int],
    x: list[float],
    rows_of: list[int],
    tops: list[float],
    heights: list[float],
    sizes: Sequence[Point],
    centers: list[Point],
) -> list[Point]:
    """The points of an edge: from the lower side of the first box, through the rows between, to the last box."""
    start, end = chain[0], chain[-1]
    row = rows_of[start]
    points = [(x[start], centers[start][1] + sizes[start][1] / 2), (x[start], tops[row] + heights[row])]
    for box in chain[1:-1]:
        row = rows_of[box]
        points += [(x[box], tops[row]), (x[box], tops[row] + heights[row])]
    return [*points, (x[end], tops[rows_of[end]]), (x[end], centers[end][1] - sizes[end][1] / 2)]


def _spread_ends(routes: list[list[Point]], edges: Sequence[Edge], widths: list[float]) -> None:
    """Spread the ends of lines that end at the same box."""
    for box in {end for _, end in edges}:
        ending = sorted((index for index, edge in enumerate(edges) if edge[1] == box), key=lambda i: routes[i][-3][0])
        step = min(14.0, 0.7 * widths[box] / len(ending))
        for place, index in enumerate(ending):
            shift = (place - (len(ending) - 1) / 2) * step
            for point in (-2, -1):
                routes[index][point] = (routes[index][point][0] + shift, routes[index][point][1])
