"""The exercises of each page of the course. The right answers are computed by the library, or follow from the
question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import layers, losses, optimizers
from cbackprop.layers import Input, Layer
from cbackprop.models import Sequential
from cbackprop.teach.exercise import close, on_examples, register

__all__ = ["softsign_model"]

Array = NDArray[Any]


def drawn(*shapes: tuple[int, ...]) -> Callable[[], list[tuple[Any, ...]]]:
    """Random arguments of these shapes, the same in each run."""

    def make() -> list[tuple[Any, ...]]:
        rng = np.random.default_rng(0)
        return [tuple(rng.normal(size=shape) for shape in shapes) for _ in range(3)]

    return make


# 1. One neuron: w = (0.5, -0.6), b = 0.1, tanh

register("neuron/1", "What is z of the neuron of this page for x = (1, 1)?", close(0.0, "z = 0.5·1 − 0.6·1 + 0.1"))
register("neuron/2", "And its output a for x = (0, 1)?", close(np.tanh(-0.5), "z is −0.5. Now apply tanh."))
register(
    "neuron/3",
    "Write neuron(w, b, x), which returns a = tanh(z).",
    on_examples(
        lambda w, b, x: np.tanh(w @ x + b),
        drawn((4,), (), (4,)),
        "Multiply elementwise, sum, add b, then apply tanh.",
    ),
)

# 2. A layer and its shapes

register("layer/1", "What is the shape of W of a layer of 3 units with 5 inputs?", close((5, 3), "(inputs, units)"))
register(
    "layer/2",
    "How many numbers does a network of 2 inputs, 3 units and 1 unit learn?",
    close(13, "Each unit has a weight for each input, and a bias."),
)
register(
    "layer/3",
    "Write layer(x, W, b), which returns z of all samples.",
    on_examples(lambda x, w, b: x @ w + b, drawn((6, 4), (4, 3), (3,)), "One matrix product; b is added to each row."),
)

# 3. The loss

register(
    "loss/1",
    "What is the mean squared error of (0.2, 0.9) for the targets (0, 1)?",
    close(0.025, "The mean of 0.2² and 0.1²."),
)
register(
    "loss/2",
    "What is the binary cross-entropy of 0.8 for the target 1?",
    close(-np.log(0.8), "For the target 1 only −log(prediction) is left."),
)


def slope_of_crossentropy(y: Array, p: Array) -> Array:
    """dL/dp of the mean binary cross-entropy."""
    return (p - y) / (p * (1 - p)) / len(y)


def probabilities() -> list[tuple[Any, ...]]:
    """Targets and predictions."""
    rng = np.random.default_rng(0)
    return [(rng.integers(2, size=5).astype(float), rng.uniform(0.1, 0.9, size=5)) for _ in range(3)]


register(
    "loss/3",
    "Write slope(y, p), the derivative of the mean binary cross-entropy with respect to each prediction.",
    on_examples(slope_of_crossentropy, probabilities, "(p − y) / (p (1 − p)), divided by the samples."),
)

# 4. The chain rule

register(
    "chain/1",
    "What is dL/dw of L = (w x − y)² for w = 2, x = 3, y = 5?",
    close(6, "2 (w x − y) times the derivative of w x with respect to w."),
)
register(
    "chain/2",
    "What is dL/dw of L = tanh(w x)² for w = 0.5, x = 1?",
    close(2 * np.tanh(0.5) * (1 - np.tanh(0.5) ** 2), "2 a, times 1 − a², times x."),
)
register(
    "chain/3",
    "Write slope(a), the derivative of the sigmoid from its value.",
    on_examples(lambda a: a * (1 - a), drawn((5,)), "a (1 − a)"),
)

# 5. Hidden deltas


def xor_delta() -> float:
    """The number for which the page asks, computed by a trace."""
    model = Sequential(
        [
            Input((2,), dtype="float64"),
            layers.Dense(3, "tanh", name="hidden", dtype="float64"),
            layers.Dense(1, "sigmoid", dtype="float64"),
        ]
    )
    model.compile(optimizers.SGD(0.5), losses.BinaryCrossentropy())
    model.set_weights([[[0.5, -0.4, 0.3], [-0.6, 0.2, 0.7]], [0.1, 0.0, -0.1], [[0.6], [-0.5], [0.4]], [0.05]])
    delta = model.trace([[0, 0], [0, 1], [1, 0], [1, 1.0]], [[0], [1], [1], [0.0]])["hidden"].delta
    assert delta is not None
    return float(delta[2, 1])


def judge_xor_delta(answer: Any) -> str | None:
    """The delta of the second hidden unit."""
    return close(xor_delta(), "dL/da is W2 times the delta of the output; the slope is 1 − a².")(answer)


def softsign_model(backward: Any) -> Any:
    """A network with a Python layer a = z / (1 + |z|) that has this backward pass."""

    methods = {
        "call": lambda self, inputs: inputs / (1 + np.abs(inputs)),
        "backward": lambda self, inputs, outputs, delta: backward(inputs, outputs, delta),
        "__module__": "__main__",  # like the learner's own: not looked up among the library's layers
    }
    softsign = type("Softsign", (Layer,), methods)
    parts = [Input((2,)), layers.Dense(3, name="first"), softsign(), layers.Dense(1)]
    model = Sequential(parts)
    model.compile("sgd", "mse")
    return model


def judge_backward(answer: Any) -> str | None:
    """Whether finite differences confirm a backward pass."""
    if not callable(answer):
        return f"A function backward(inputs, outputs, delta) was expected, not {answer!r}."
    rng = np.random.default_rng(0)
    try:
        report = softsign_model(answer).check_gradients(rng.normal(size=(4, 2)), rng.normal(size=(4, 1)))
    except Exception as error:  # the learner's own code may raise anything, and the error is the hint
        return f"It raised {type(error).__name__}: {error}"
    if report.max_relative_error < 1e-5:
        return None
    path, index = report.worst
    return (
        f"check_gradients finds {report.analytic:.4g} at {path}{list(index)}, and differences {report.numeric:.4g}. "
        "The derivative of z / (1 + |z|) is 1 / (1 + |z|)²."
    )


register(
    "hidden/1",
    "What is the delta of the second hidden unit of this page's network for the third sample?",
    judge_xor_delta,
)
register(
    "hidden/2",
    "Write hidden_delta(delta2, W2, a1), for tanh units.",
    on_examples(
        lambda d, w, a: (d @ w.T) * (1 - a**2),
        drawn((5, 2), (3, 2), (5, 3)),
        "Back through W2, then times the slope 1 − a².",
    ),
)
register("hidden/3", "Write the correct backward(inputs, outputs, delta) of the layer with the bug.", judge_backward)

# 6. The update

register(
    "update/1",
    "A weight −0.6 has the gradient 0.0288. What is it after a step with η = 0.5?",
    close(-0.6144, "w − η g"),
)
register(
    "update/2",
    "With momentum 0.9 and η = 0.1, and a gradient of 1 each time: what is v after two steps?",
    close(-0.19, "v ← 0.9 v − 0.1·1, twice, from 0."),
)


def adam(w: Array, g: Array, m: Array, v: Array, t: int) -> tuple[Array, Array, Array]:
    """One step of Adam with its defaults."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    rate = 0.001 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * m / (np.sqrt(v) + 1e-7), m, v


def adam_steps() -> list[tuple[Any, ...]]:
    """Arguments for the first and for a later step."""
    rng = np.random.default_rng(0)
    w, g, m, v = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.uniform(size=4)
    return [(w, g, 0 * m, 0 * v, 1), (w, g, m, v, 7)]


register(
    "update/3",
    "Write adam(w, g, m, v, t) for the t-th step, which returns the new w, m and v.",
    on_examples(adam, adam_steps, "m ← 0.9 m + 0.1 g; v ← 0.999 v + 0.001 g²; then both are corrected for t."),
)

# 7. Batches and epochs

register(
    "batches/1",
    "How many steps does an epoch of 100 samples have in batches of 32?",
    close(4, "The last batch may be smaller than the others."),
)
register(
    "batches/2",
    "Write batch_gradient(gradients): the gradient of a batch from those of its samples' own losses.",
    on_examples(lambda g: g.mean(axis=0), drawn((5, 3, 2)), "The loss of a batch is a mean."),
)
register(
    "batches/3",
    "How many updates do 10 epochs of 1,000 samples make, in batches of 50?",
    close(200, "20 in each epoch."),
)

# 8. What goes wrong

register("wrong/1", "What is the largest slope of the sigmoid?", close(0.25, "a (1 − a) is largest for a = 0.5."))
register(
    "wrong/2",
    "By what factor at most do the slopes of 10 sigmoid layers multiply a delta?",
    close(0.25**10, "Each slope is at most 0.25, and they are multiplied."),
)
register(
    "wrong/3",
    "L = 2 w². From which learning rate on does gradient descent no longer approach 0?",
    close(0.5, "A step multiplies w by 1 − 4 η."),
)
