"""Build a network for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop import layers
from cbackprop.models import Model
from cbackprop.tables.doubts import warn_of_readings
from cbackprop.tables.encoder import TableEncoder, check_column
from cbackprop.tables.frame import Table, as_table, kind_of
from cbackprop.tables.model import TableModel
from cbackprop.tables.reader import TableReader
from cbackprop.tables.target import TargetEncoder
from cbackprop.validation import check_integer, check_number

__all__ = ["build"]


def build(
    table: Any,
    target: str | TargetEncoder | Sequence[str | TargetEncoder],
    *,
    units: Sequence[int] = (64, 64),
    activation: Any = "relu",
    dropout: float = 0.0,
    optimizer: Any = "adam",
    task: str = "auto",
    encoder: TableEncoder | None = None,
    embedding: int = 8,
    reader: TableReader | None = None,
) -> TableModel:
    """Build a compiled, untrained network for a table.

    It has Dense layers of `units`, followed, for each target, by a softmax over the classes or by one number. With
    several targets, logs contain their names: ``price_loss``, ``price_r2_score``.

    Parameters
    ----------
    table : see `as_table`
    target : str or TargetEncoder, or list of them
        Columns to predict.
    units : sequence of int, default (64, 64)
        Widths of the hidden layers.
    activation : str or function, default "relu"
    dropout : float, default 0.0
        The rate of the dropout after each hidden layer.
    optimizer : str or Optimizer, default "adam"
    task : {"auto", "classification", "regression"}, default "auto"
        See `TargetEncoder`.
    encoder : TableEncoder, optional
        It is fitted to the table, even if it was fitted before.
    embedding : int, default 8
        The length of the vectors for texts of embedded columns.
    reader : TableReader, optional
        The one that has read the table, if its texts were read already. By default a new one finds out what they mean.

    Returns
    -------
    TableModel

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong or does not match the table.

    Examples
    --------
    >>> from cbackprop import tables
    >>> tables.build({"a": [1, 2, 3], "b": [2.5, 4.5, 6.5]}, "b", units=[8]).model.count_params()
    25
    """
    columns = as_table(table)
    targets = _targets(target, task)
    names = [encoded.name for encoded in targets]
    for name in names:
        check_column(name, columns)
    if not isinstance(encoder, (TableEncoder, type(None))):
        raise TypeError(f"encoder must be a TableEncoder, but got {type(encoder).__name__}.")
    if not isinstance(reader, (TableReader, type(None))):
        raise TypeError(f"reader must be a TableReader, but got {type(reader).__name__}.")
    if reader is None:
        reader = TableReader(types=_categories(columns, targets, encoder)).fit(columns)
        warn_of_readings(reader, 2)
        columns = reader.transform(columns)
    for encoded in targets:
        encoded._fit(columns[encoded.name])
    rest = {name: values for name, values in columns.items() if name not in names}
    if not rest:
        raise ValueError(f"The table has no column to learn from: it has only {', '.join(names)}.")
    chosen = (TableEncoder() if encoder is None else encoder)._fit(rest)
    model = _network(chosen, targets, units, activation, dropout, check_integer("embedding", embedding, 1))
    kinds = [("sparse_categorical_crossentropy", "accuracy") if t.classes else ("mse", "r2_score") for t in targets]
    model.compile(optimizer, loss=[loss for loss, _ in kinds], metrics=[[metric] for _, metric in kinds])
    return TableModel(model, chosen, targets, reader)


def _categories(columns: Table, targets: list[TargetEncoder], encoder: TableEncoder | None) -> dict[str, str]:
    """The text columns that the caller declares as categories, or drops, as types for a reader."""
    names = [target.name for target in targets if target.task == "classification"]
    names += [] if encoder is None else [*encoder.categorical, *encoder.drop]
    return {name: "category" for name in names if name in columns and kind_of(columns[name]) == "text"}


def _targets(target: Any, task: str) -> list[TargetEncoder]:
    """An encoder for each target column."""
    wanted = [target] if isinstance(target, (str, TargetEncoder)) else target
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(t, (str, TargetEncoder)) for t in wanted):
        raise TypeError(f"target must be a column's name or a list of names, but got {target!r}.")
    encoders = [t if isinstance(t, TargetEncoder) else TargetEncoder(t, task) for t in wanted]
    if not encoders or len({encoder.name for encoder in encoders}) < len(encoders):
        raise ValueError(f"target must be one or more different columns, but got {target!r}.")
    return encoders


def _network(
    encoder: TableEncoder, targets: list[TargetEncoder], units: Any, activation: Any, dropout: float, embedding: int
) -> Any:
    inputs = {}
    parts = []
    if encoder.width:
        inputs["numbers"] = layers.Input((encoder.width,), name="numbers")
        parts.append(inputs["numbers"])
    if encoder.embedded:
        inputs["categories"] = ids = layers.Input((len(encoder.embedded),), dtype="int64", name="categories")
        parts.append(layers.Flatten()(layers.Embedding(encoder.vocabulary, embedding, name="embedding")(ids)))
    x = parts[0] if len(parts) == 1 else layers.Concatenate()(parts)
    rate = check_number("dropout", dropout, 0, 1, open_maximum=True)
    if not isinstance(units, (list, tuple)):
        raise TypeError(f"units must be a list of widths, but got {units!r}.")
    for index, width in enumerate(units, 1):
        x = layers.Dense(width, activation=activation, name=f"hidden_{index}")(x)
        x = layers.Dropout(rate, name=f"dropout_{index}")(x) if rate else x
    outputs = []
    taken = {
        "numbers",
        "categories",
        "embedding",
        "table",
        *(f"{kind}_{i}" for kind in ("hidden", "dropout") for i in range(len(units) + 1)),
    }
    for index, target in enumerate(targets, 1):
        # Logs contain the names of outputs, so each of several is named after its target.
        name = "output" if len(targets) == 1 else target.name
        name = f"output_{index}" if not name or name in taken else name
        taken.add(name)
        outputs.append(layers.Dense(target.width, "softmax" if target.classes else None, name=name)(x))
    single = inputs["numbers"] if list(inputs) == ["numbers"] else inputs
    return Model(single, outputs[0] if len(outputs) == 1 else outputs, name="table")
