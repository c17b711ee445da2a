"""The pictures of the course: a function for each page, which draws with the page's own names and numbers.

`docs/pictures.py` runs the pages and calls these.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import cbackprop as cb
from cbackprop import layers

Names = dict[str, Any]
WIDE = 5.4  # inches: on a phone, letters are still three quarters of their size


def neuron(page: Names) -> Figure:
    """The four samples on the curve of tanh, and the plane that the neuron divides."""
    model, (unit,) = page["model"], page["trace"].layers
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 2.6), layout="constrained")
    z = np.linspace(-1.5, 1.5, 101)
    left.plot(z, np.tanh(z), color="0.6")
    points = unit.inputs[0]
    for rank, sample in enumerate(np.argsort(unit.z[:, 0])):
        (p, q), place = points[sample], (unit.z[sample, 0], unit.a[sample, 0])
        left.plot(*place, "o", color="C0")
        offset, side = ((-6, 4), "right") if rank % 2 else ((6, -11), "left")  # neighbors would lie on each other
        left.annotate(f"({p:.0f}, {q:.0f})", place, offset, textcoords="offset points", ha=side)
    left.set(xlabel="z", ylabel="a = tanh(z)", title="the four samples")
    side = np.linspace(-0.5, 1.5, 41)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    a = model.predict(plane, verbose=0).reshape(41, 41)
    shown = right.pcolormesh(side, side, a, cmap="RdBu_r", vmin=-1, vmax=1, rasterized=True)
    right.contour(side, side, a, [0], colors="black")
    right.plot(*points.T, "o", color="black", markersize=4)
    right.set(xlabel="first input", ylabel="second input", title="z = 0 is a line", aspect="equal")
    figure.colorbar(shown, ax=right, label="a")
    return figure


def layer(page: Names) -> Figure:
    """X W + b = Z of the hidden layer, as tables with their numbers."""
    hidden = page["trace"]["hidden"]
    read = {"X": hidden.inputs[0], "W": hidden.weight("kernel").before, "b": hidden.weight("bias").before[None]}
    made = {"Z": hidden.z, "A = tanh(Z)": hidden.a}
    figure = plt.figure(figsize=(4.2, 4.2), layout="constrained")
    above, below = figure.subfigures(2, 1)
    show_matrices(above, read, ("", "@", "+"))
    show_matrices(below, made, ("=", "→"))
    return figure


def show_matrices(figure: Any, parts: dict[str, Any], signs: tuple[str, ...]) -> None:
    """Matrices beside each other with their names, shapes and numbers, and a sign before each."""
    axes = figure.subplots(1, len(parts), width_ratios=[array.shape[1] for array in parts.values()])
    for (name, array), sign, ax in zip(parts.items(), signs, axes, strict=True):
        ax.imshow(array, cmap="RdBu_r", vmin=-2, vmax=2, clip_on=False)
        for (row, column), number in np.ndenumerate(array):
            ax.text(column, row, minus(f"{number:.2f}"), ha="center", va="center", fontsize=9)
        ax.set(title=f"{name}  {array.shape}", xticks=[], yticks=[], ylim=(3.5, -0.5), anchor="NW")
        ax.spines[:].set_visible(False)
        ax.text(-0.05, 0.6, sign, transform=ax.transAxes, ha="right", va="center", fontsize=13)


def loss(page: Names) -> Figure:
    """Both losses and their deltas, for the target 1, by z of a sigmoid."""
    z = np.linspace(-6, 6, 61)[:, None]
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 2.6), layout="constrained")
    for name, title in {"mse": "squared error", "binary_crossentropy": "cross-entropy"}.items():
        model = cb.Sequential([cb.Input((1,)), layers.Dense(1, "sigmoid", name="output")])
        model.compile("sgd", name)
        model.set_weights([[[1.0]], [0.0]])
        trace = model.trace(z, np.ones_like(z))
        left.plot(z, trace.outputs[0].samples, label=title)
        right.plot(z, len(z) * trace["output"].delta)
    left.set(xlabel="z", ylabel="loss, for y = 1")
    right.set(xlabel="z", ylabel="δ, the slope of the loss by z")
    left.legend()
    return figure


def chain(page: Names) -> Figure:
    """The graph of the page's numbers, and the tangent that the chain rule finds."""
    weight = page["trace"].weights["unit/kernel"]
    figure, (graph, curve) = plt.subplots(2, 1, figsize=(WIDE, 4), height_ratios=(1, 2), layout="constrained")
    values = {"w": page["w"], "z = w x": page["z"], "a = tanh z": page["a"], "L = (a − y)²": page["loss"]}
    factors = {"dz/dw": page["dz_dw"], "da/dz": page["da_dz"], "dL/da": page["dL_da"]}
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.4"}
    for place, (name, value) in enumerate(values.items()):
        graph.text(place, 0.6, f"{name}\n{value:.4f}", ha="center", va="center", bbox=box)
    for place, (name, value) in enumerate(factors.items()):
        graph.annotate("", (place + 0.64, 0.6), (place + 0.36, 0.6), arrowprops={"arrowstyle": "->"})
        graph.annotate("", (place + 0.1, -0.2), (place + 0.9, -0.2), arrowprops={"arrowstyle": "->", "color": "C3"})
        graph.text(place + 0.5, -0.55, f"{name} = {value:.4f}", ha="center", va="center", color="C3")
    graph.set(xlim=(-0.5, 3.5), ylim=(-0.9, 1.1))
    graph.axis("off")
    model, around = page["model"], np.linspace(-0.5, 1.5, 61)
    losses = []
    for w in around:
        model.set_weights([[[w]]])
        losses.append(model.trace([[page["x"]]], [[page["y"]]]).loss)
    slope = weight.gradient.item()
    near = np.array([-0.35, 0.35])
    curve.plot(around, losses, label="loss")
    curve.plot(page["w"] + near, page["loss"] + slope * near, color="C3", label=f"slope dL/dw = {slope:.4f}")
    curve.plot(page["w"], page["loss"], "o", color="C3")
    curve.set(xlabel="w", ylabel="L")
    curve.legend()
    return figure


def hidden(page: Names) -> Figure:
    """How the delta of the output goes back to the hidden units, for sample 1."""
    sample, trace = 1, page["trace"]
    below, above = trace["hidden"], trace["output"]
    kernel, delta = above.weight("kernel").before[:, 0], above.delta[sample, 0]
    figure, ax = plt.subplots(figsize=(WIDE, 2.8), layout="constrained")
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.4"}
    ax.text(3, 1, minus(f"output\nδ₂ = {delta:.4f}"), ha="center", va="center", bbox=box)
    for unit, (w, slope, own) in enumerate(zip(kernel, below.slope[sample], below.delta[sample], strict=True)):
        y, weight = 2 - unit, f"({w:.1f})" if w < 0 else f"{w:.1f}"
        arrow = {"arrowstyle": "->", "color": "C3" if w * delta > 0 else "C0", "lw": 6 * abs(w)}
        ax.annotate("", (1.35, y), (2.45, 1 + 0.25 * (y - 1)), arrowprops=arrow)
        middle, side = (y + 1 + 0.25 * (y - 1)) / 2, 1 if y > 0 else -1
        place = {"ha": "center", "va": "bottom" if side > 0 else "top"}
        ax.text(1.9, middle + 0.1 * side, minus(f"· {weight}"), color=arrow["color"], **place)
        text = f"δ₂ · {weight} · f'(z) =\n{delta:.4f} · {weight} · {slope:.4f}\n= {own:.4f}"
        ax.text(1.25, y, minus(text), ha="right", va="center", bbox=box)
    ax.set(xlim=(-0.2, 3.6), ylim=(-0.5, 2.5))
    ax.axis("off")
    return figure


def minus(text: str) -> str:
    """A text with signs in place of hyphens."""
    return text.replace("-", "−")


def update(page: Names) -> Figure:
    """The ways of three rules through the same valley."""
    x = np.array([[1.0, 0.0], [0.0, 0.25]])
    y = np.zeros((2, 1))
    rules = {
        "SGD(1.8)": cb.optimizers.SGD(1.8),
        "momentum 0.9": cb.optimizers.SGD(0.3, momentum=0.9),
        "Adam(0.1)": cb.optimizers.Adam(0.1),
    }
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    across, up = np.linspace(-1.3, 1.3, 31), np.linspace(-1.3, 1.3, 31)
    heights = np.empty((31, 31))
    for (row, column), _ in np.ndenumerate(heights):
        model.set_weights([[[across[column]], [up[row]]]])
        heights[row, column] = model.evaluate(x, y, verbose=0)
    figure, axes = plt.subplots(1, 3, figsize=(WIDE + 0.4, 2.4), sharey=True, layout="constrained")
    for (name, rule), ax in zip(rules.items(), axes, strict=True):
        model.compile(rule, "mse")
        model.set_weights([[[1.0], [-1.0]]])
        way = [model.get_weights()[0].ravel()]
        for _ in range(25):
            model.train_on_batch(x, y)
            way.append(model.get_weights()[0].ravel())
        ax.contour(across, up, np.sqrt(heights), 9, colors="0.8", linewidths=0.8)
        ax.plot(*np.transpose(way), ".-", linewidth=1, markersize=4)
        ax.plot(0, 0, "+", color="black")
        ax.set(title=name, xlabel="first weight", aspect="equal", xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    axes[0].set_ylabel("second weight")
    return figure


def batches(page: Names) -> Figure:
    """Losses by epoch, and how far the gradient of a batch is from that of all samples."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 2.6), layout="constrained")
    for size in (4, 40):
        history = page["network"]().fit(page["x"], page["y"], batch_size=size, epochs=100, verbose=0)
        left.plot(history.history["loss"], label=f"batches of {size}")
    left.set(xlabel="epoch", ylabel="loss", ylim=(0, 1.1))
    left.legend()
    rng, each = np.random.default_rng(0), page["each"]
    sizes, far = (1, 2, 4, 8, 16, 32), []
    for size in sizes:
        drawn = [each[rng.choice(len(each), size, replace=False)].mean(axis=0) for _ in range(400)]
        far.append(np.mean([np.linalg.norm(gradient - page["whole"]) for gradient in drawn]))
    right.semilogx(sizes, far, "o-", label="batch − all samples")
    right.axhline(np.linalg.norm(page["whole"]), color="0.5", linestyle=":", label="gradient itself")
    right.set(xlabel="samples in the batch", ylabel="length", xticks=sizes, xticklabels=sizes)
    right.minorticks_off()
    right.set_ylim(0, None)
    right.legend()
    return figure


def wrong(page: Names) -> Figure:
    """Deltas that vanish on their way back, and steps in a valley that are small, large and too large."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 2.8), layout="constrained")
    for function in ("sigmoid", "tanh"):
        sizes = page["sizes_of_deltas"](function)
        left.semilogy(range(1, len(sizes) + 1), sizes, "o-", label=function)
    left.set(xlabel="layer", ylabel="mean |δ|")
    left.legend()
    w = np.linspace(-2, 2, 61)
    right.plot(w, w**2, color="0.7")
    for learning_rate in (0.1, 0.9, 1.1):
        way = descend(page, learning_rate)
        right.plot(way, np.square(way), "o-", linewidth=1, markersize=4, label=f"η = {learning_rate}")
    right.set(xlabel="w", ylabel="L = w²", ylim=(-0.3, 7))
    right.legend(loc="upper center")
    return figure


def descend(page: Names, learning_rate: float) -> list[float]:
    """The weights of the page's smallest network before each of five steps."""
    model = page["model"]
    model.compile(cb.optimizers.SGD(learning_rate), "mse")
    model.set_weights([[[1.0]]])
    way = []
    for _ in range(5):
        trace = model.trace([[1.0]], [[0.0]])
        way.append(trace.weights["w/kernel"].before.item())
        trace.apply()
    return way


# By the names of the pages.
PICTURES = {
    "1_neuron": neuron,
    "2_layer": layer,
    "3_loss": loss,
    "4_chain_rule": chain,
    "5_hidden_deltas": hidden,
    "6_update": update,
    "7_batches": batches,
    "8_what_goes_wrong": wrong,
}
