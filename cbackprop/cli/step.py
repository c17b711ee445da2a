"""``cbackprop step``: go through a training step, part by part."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
import numpy as np

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli.settings import settings
from cbackprop.cli.train import widths
from cbackprop.tables.files import FORMATS
from cbackprop.trace.explanation import split_index
from cbackprop.trace.numbers import COLUMNS
from cbackprop.trace.page import check_page_path, write_page
from cbackprop.trace.text import STAGES, TITLES, stage_lines

__all__ = ["command"]

BUILT_IN = ("xor", "spirals", "digits")


class Problem(NamedTuple):
    """A network, and the samples for its training steps."""

    model: Any
    x: Any
    y: Any
    columns: str = ""  # describes inputs and outputs, if they come from a table


@click.command("step")
@click.argument("data")
@click.option("--target", help="The column to predict, for a table.")
@click.option("--units", callback=widths, default="3", show_default=True, help="Widths of the hidden layers.")
@click.option("--activation", default="tanh", show_default=True, help="Of the hidden layers.")
@click.option("--optimizer", default="sgd", show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0),
              help="By default 0.5 for sgd, and else the optimizer's own.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1), default=4, show_default=True, help="How many make the batch.")
@click.option("--steps", type=click.IntRange(1), help="End after so many steps; by default after one, or on q.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--floatx", type=click.Choice(["float32", "float64"]), default="float64", show_default=True)
@click.option("--html", "page", metavar="FILE", help="Also write the steps to a page, in which they can be played.")
@click.option("--explain", metavar="WHAT", multiple=True,
              help="Only the arithmetic of a unit, as hidden[0], or of a weight, as hidden/kernel[1,0].")  # fmt: skip
@click.option("--sample", type=click.IntRange(0), default=0, show_default=True, help="The sample for --explain.")
@click.option("--python", is_flag=True, help="Print a script that makes the same steps.")
def command(**options: Any) -> None:
    """Make training steps on DATA, part by part: forward pass, loss, backward pass, update.

    DATA is xor, spirals, digits, or a table. In a terminal, Enter goes on and q ends.
    """
    chosen = SimpleNamespace(**options)
    check_data(chosen)
    if chosen.page is not None:
        check_page_path(chosen.page)
    script = script_of(chosen)
    if chosen.python:
        click.echo(script, nl=False)
        return
    with settings(None, chosen.floatx):
        problem = make(chosen)
        traces = walk(problem, chosen)
    if chosen.page is not None:
        write_page(chosen.page, traces)


def check_data(options: Any) -> None:
    """Refuse DATA that is neither a built-in data set nor a table, and an unused --target."""
    if options.data in BUILT_IN:
        if options.target is not None:
            raise click.UsageError(f"--target is for a table, but DATA is {options.data}.")
    elif os.path.splitext(options.data)[1].lower() not in FORMATS:
        known = ", ".join(BUILT_IN)
        raise click.UsageError(
            f"DATA must be {known}, or a table whose name ends in {', '.join(FORMATS)}, but got {options.data!r}."
        )


def walk(problem: Problem, options: Any) -> list[Any]:
    """Make the steps, and show each part when asked for. Returns the traces."""
    waits = sys.stdin.isatty() and not options.explain
    steps = options.steps or (sys.maxsize if waits else 1)
    if problem.columns and not options.explain:
        click.echo(problem.columns)
    traces = []
    for step in range(1, steps + 1):
        trace = problem.model.trace(problem.x, problem.y, training=True)
        traces.append(trace)
        head = f"Step {step}, {trace.samples} samples"
        if options.explain:
            if steps > 1:
                click.echo(f"\n{head}\n")
            click.echo("\n\n".join(explain(trace, what, options.sample) for what in options.explain))
        else:
            click.echo(f"\n{head}\n{'=' * len(head)}")
            if not show(trace, waits):
                break
        trace.apply()
    return traces


def show(trace: Any, waits: bool) -> bool:
    """Print the parts of a step. Returns whether to continue."""
    for stage, title in zip(STAGES, TITLES, strict=True):
        click.echo(f"\n{title}\n{'-' * len(title)}")
        click.echo("\n".join(stage_lines(trace, stage)))
        if waits:
            click.echo("\nEnter: go on, q: end ", nl=False)
            answer = sys.stdin.readline()
            if not answer or answer.strip().lower().startswith("q"):
                return False
    return True


def explain(trace: Any, what: str, sample: int) -> str:
    """The arithmetic of a weight, ``layer/weight[index]``, or of a unit, ``layer[unit]``."""
    if what in trace.weights or "/" in what:
        found: str = trace.explain(weight=what)
        return found
    name, index = split_index(what.strip())
    if not name or index is None or (not index and name != what.strip()):
        raise ValueError(f"--explain takes a unit, as hidden[0], or a weight, as hidden/kernel[1,0], but got {what!r}.")
    unit = index or (0,)
    shown: str = trace.explain(name, unit=unit[0] if len(unit) == 1 else unit, sample=sample)
    return shown


# The same problem as objects and as a script. A test runs the script and compares its weights.


def make(options: Any) -> Problem:
    """The network and the samples that the options describe."""
    cb.utils.set_random_seed(options.seed)
    optimizer, _ = optimizer_of(options)
    if options.data not in BUILT_IN:
        return of_table(options, optimizer)
    x, y = samples_of(options.data, options.samples, options.seed)
    output = cb.layers.Dense(10, "softmax", name="output") if options.data == "digits" else None
    last = output or cb.layers.Dense(1, "sigmoid", name="output")
    hidden = [
        cb.layers.Dense(units, options.activation, name=name)
        for units, name in zip(options.units, names_of(options.units), strict=True)
    ]
    model = cb.Sequential([cb.Input(x.shape[1:]), *hidden, last])
    model.compile(optimizer, "binary_crossentropy" if output is None else "sparse_categorical_crossentropy")
    return Problem(model, x, y)


def optimizer_of(options: Any) -> tuple[Any, str]:
    """The optimizer, and the code that makes it in a script."""

    def made(config: dict[str, float]) -> Any:
        return cb.optimizers.get({"class_name": options.optimizer, "config": config})

    rate = options.learning_rate
    if rate is None and type(made({})) is cb.optimizers.SGD:
        rate = 0.5  # the default is so small that a step would hardly be visible
    optimizer = made({} if rate is None else {"learning_rate": rate})
    argument = "" if rate is None else f"learning_rate={rate!r}"
    return optimizer, f"cb.optimizers.{type(optimizer).__name__}({argument})"


def names_of(units: Sequence[int]) -> list[str]:
    """``hidden``, or ``hidden1`` and so on."""
    return ["hidden"] if len(units) == 1 else [f"hidden{number}" for number in range(1, len(units) + 1)]


def samples_of(name: str, samples: int, seed: int) -> tuple[Any, Any]:
    """The first samples of a built-in data set. Spirals are sorted by angle, so theirs are drawn at random."""
    if name == "xor":
        return cb.datasets.xor.load_data(max(samples, 4))
    if name == "digits":
        (x, y), _ = cb.datasets.digits.load_data()
        return x[:samples], y[:samples]
    x, y = cb.datasets.spirals.load_data()
    chosen = np.random.default_rng(seed).choice(len(x), min(samples, len(x)), replace=False)
    return x[chosen] / 6.5, y[chosen, np.newaxis]


def of_table(options: Any, optimizer: Any) -> Problem:
    """A network for a table, and some of its rows, evenly spaced because the table may be sorted."""
    table = tables.read(options.data)
    if options.target is None:
        raise click.UsageError(f"--target is missing: which column to predict? The columns are {', '.join(table)}.")
    tables.check_column(options.target, table)
    table = tables.drop_missing(table, [options.target])
    made = tables.build(
        table, [options.target], units=options.units, activation=options.activation, optimizer=optimizer
    )
    count = len(table[options.target])
    chosen = np.linspace(0, count - 1, min(options.samples, count)).astype(int)
    rows = {name: column[chosen] for name, column in table.items()}
    return Problem(made.model, made.inputs(rows), made.outputs(rows), columns_of(made))


def columns_of(made: Any) -> str:
    """A description of the input columns and of the outputs."""
    (target,) = made.targets
    lines = [f"Columns of X: {', '.join(made.encoder.feature_names)}. Numbers are standardised."]
    if target.classes:
        numbered = ", ".join(f"{number} is {value}" for number, value in enumerate(target.classes))
        lines.append(f"Classes of {target.name}: {numbered}.")
    else:
        lines.append(f"Output: {target.name}, standardised.")
    return "\n".join(textwrap.fill(line, COLUMNS, subsequent_indent="  ") for line in lines)


def script_of(options: Any) -> str:
    """A script that makes the same steps."""
    return f"""\
{imports_of(options.data)}
cb.config.set_floatx({json.dumps(options.floatx)})
cb.utils.set_random_seed({options.seed})
{table_script(options) if options.data not in BUILT_IN else network_script(options)}
for _ in range({options.steps or 1}):
    trace = model.trace(x, y, training=True)
    print(trace)
    trace.apply()
"""


def imports_of(data: str) -> str:
    """The lines of a script that import what it needs."""
    numpy = "" if data in ("xor", "digits") else "import numpy as np\n\n"
    return f"{numpy}import cbackprop as cb\nfrom cbackprop import {'layers' if data in BUILT_IN else 'tables'}\n"


def network_script(options: Any) -> str:
    """The lines that make the network, and samples of a built-in data set."""
    x_and_y = {
        "xor": f"x, y = cb.datasets.xor.load_data({max(options.samples, 4)})",
        "spirals": (
            "x, y = cb.datasets.spirals.load_data()\n"
            f"rng = np.random.default_rng({options.seed})\n"
            f"chosen = rng.choice(len(x), min({options.samples}, len(x)), replace=False)\n"
            "x, y = x[chosen] / 6.5, y[chosen, np.newaxis]  # the outermost points are 6.5 from the middle"
        ),
        "digits": f"(x, y), _ = cb.datasets.digits.load_data()\nx, y = x[:{options.samples}], y[:{options.samples}]",
    }[options.data]
    hidden = "".join(
        f'        layers.Dense({units}, {json.dumps(options.activation)}, name="{name}"),\n'
        for units, name in zip(options.units, names_of(options.units), strict=True)
    )
    many = options.data == "digits"
    last = f'layers.Dense({10 if many else 1}, "{"softmax" if many else "sigmoid"}", name="output")'
    loss = "sparse_categorical_crossentropy" if many else "binary_crossentropy"
    return f"""\
{x_and_y}
model = cb.Sequential(
    [
        cb.Input(x.shape[1:]),
{hidden}        {last},
    ]
)
model.compile({optimizer_of(options)[1]}, "{loss}")
"""


def table_script(options: Any) -> str:
    """The lines that read a table and make a network for it."""
    data, target, activation = (json.dumps(text, ensure_ascii=False) for text in
                                (options.data, options.target, options.activation))  # fmt: skip
    return f"""\
table = tables.drop_missing(tables.read({data}), [{target}])
made = tables.build(
    table, [{target}], units={options.units!r}, activation={activation}, optimizer={optimizer_of(options)[1]}
)
count = len(table[{target}])
chosen = np.linspace(0, count - 1, min({options.samples}, count)).astype(int)
rows = {{name: column[chosen] for name, column in table.items()}}
model, x, y = made.model, made.inputs(rows), made.outputs(rows)
"""
