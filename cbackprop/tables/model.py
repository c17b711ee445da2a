"""TableModel: a network with the encoders of its inputs and targets."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from cbackprop import saving
from cbackprop.callbacks import History
from cbackprop.html_tables import html_table
from cbackprop.tables.encoder import TableEncoder, check_columns
from cbackprop.tables.frame import Array, Table, as_table
from cbackprop.tables.reader import TableReader
from cbackprop.tables.reading import Reading
from cbackprop.tables.rows import Split
from cbackprop.tables.scores import classification_scores, regression_scores
from cbackprop.tables.target import TargetEncoder

__all__ = ["TableModel", "knows_tables", "load"]

# The name of the text in a model's file that contains the encoders.
EXTRA = "tables"


class TableModel:
    """A network for tables that takes and predicts raw columns.

    `build` makes one, and `load` reads one from a file that ``cbackprop train`` or `save` wrote.

    Parameters
    ----------
    model : Model
        It must be compiled to be trained, and have an output for each target.
    encoder : TableEncoder
    targets : list of TargetEncoder
    reader : TableReader, optional
        How text columns are read. By default as the kinds of the encoded columns require.
    split : Split, optional
        The table that the model was trained on, and its held-out rows.

    Raises
    ------
    TypeError, ValueError
        If these do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from cbackprop import tables
    >>> table = {"size": np.linspace(1, 5, 50), "heavy": [False] * 25 + [True] * 25}
    >>> model = tables.build(table, "heavy", units=())
    >>> history = model.fit(table, epochs=100, batch_size=5, verbose=0)
    >>> model.predict({"size": [1.5, 4.5]})
    array([False,  True])
    """

    def __init__(
        self,
        model: Any,
        encoder: TableEncoder,
        targets: Sequence[TargetEncoder],
        reader: TableReader | None = None,
        split: Split | None = None,
    ) -> None:
        if not getattr(model, "is_model", False):
            raise TypeError(f"model must be a Model, but got {type(model).__name__}.")
        if not isinstance(encoder, TableEncoder) or not all(isinstance(t, TargetEncoder) for t in targets):
            raise TypeError("encoder must be a TableEncoder, and targets TargetEncoders.")
        if not isinstance(reader, (TableReader, type(None))) or not isinstance(split, (Split, type(None))):
            raise TypeError("reader must be a TableReader, and split a Split, or None.")
        self.model, self.encoder, self.targets, self.split = model, encoder, list(targets), split
        self.reader = _reader_for(encoder, self.targets) if reader is None else reader
        inputs = {"categories": len(encoder.embedded)} if encoder.embedded else {}
        inputs |= {"numbers": encoder.width} if encoder.width else {}
        shapes = {tensor.name: tensor.shape[1:] for tensor in model.inputs}
        if shapes != {name: (width,) for name, width in inputs.items()}:
            raise ValueError(f"The model must have inputs of the widths {inputs}, but has {shapes}.")
        widths = [tensor.shape[1:] for tensor in model.outputs]
        if widths != [(target.width,) for target in self.targets] or not self.targets:
            raise ValueError(f"The model has outputs of the shapes {widths}, which do not fit {self.targets}.")

    @property
    def target_names(self) -> list[str]:
        """Names of the predicted columns."""
        return [target.name for target in self.targets]

    @property
    def text_columns(self) -> list[str]:
        """Columns whose values are texts even if they look like numbers."""
        return self.encoder.text_columns + [t.name for t in self.targets if t.classes and isinstance(t.classes[0], str)]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns that are used to predict."""
        return [column.name for column in self.encoder.columns]

    def inputs(self, table: Any) -> Any:
        """The network's inputs for a table: `TableEncoder.transform` in the network's float type.

        Raises
        ------
        TypeError, ValueError
            If columns are missing, or hold values of another kind than in training.
        """
        columns = as_table(table)
        check_columns(self.column_names, columns)
        return self.encoder.transform(self.reader.transform(columns, self.column_names), self.model.dtype)

    def outputs(self, table: Any) -> Any:
        """The encoded targets of a table, one array or a list of arrays.

        Raises
        ------
        TypeError, ValueError
            If a target is missing in the table, or in a row.
        """
        columns = as_table(table)
        check_columns(self.target_names, columns)
        columns = self.reader.transform(columns, self.target_names)
        encoded = [target.encode(columns[target.name]) for target in self.targets]
        return encoded[0] if len(encoded) == 1 else encoded

    def fit(self, table: Any, validation: Any = None, **options: Any) -> History:
        """Train on a table with all its targets.

        Parameters
        ----------
        table : see `as_table`
        validation : table, optional
            Evaluated after each epoch.
        **options
            Further arguments of `Model.fit`.

        Raises
        ------
        TypeError, ValueError
            If an argument or the table is wrong.
        """
        columns = as_table(table)
        if validation is not None:
            held_out = as_table(validation)
            options["validation_data"] = self.inputs(held_out), self.outputs(held_out)
        return self.model.fit(self.inputs(columns), self.outputs(columns), **options)

    def _raw(self, table: Any) -> list[Array]:
        outputs = self.model.predict(self.inputs(table), verbose=0)
        return outputs if isinstance(outputs, list) else [outputs]

    def predict(self, table: Any) -> Any:
        """The predicted column in its original values and units; a dict by name if there are several targets.

        Raises
        ------
        TypeError, ValueError
            If a column is missing, or holds values of another kind than in training.
        """
        pairs = zip(self.targets, self._raw(table), strict=True)
        return self._single({target.name: target.decode(output) for target, output in pairs})

    def predict_proba(self, table: Any) -> Any:
        """Probabilities (rows, classes), in the order of the target's `classes`; a dict by name for several targets.

        Raises
        ------
        ValueError
            See `predict`; also if no target has classes.
        """
        pairs = zip(self.targets, self._raw(table), strict=True)
        found = {target.name: output for target, output in pairs if target.classes}
        if not found:
            raise ValueError(f"There are no probabilities: {', '.join(self.target_names)} has no classes.")
        return self._single(found)

    def results(self, table: Any) -> Table:
        """Predictions by name, each followed by its probabilities, which are named ``NAME=CLASS``."""
        columns: Table = {}
        for target, output in zip(self.targets, self._raw(table), strict=True):
            columns[target.name] = target.decode(output)
            for index, value in enumerate(target.classes):
                columns[f"{target.name}={value}"] = output[:, index]
        return columns

    def evaluate(self, table: Any) -> dict[str, Any]:
        """Scores of the predictions by name; a dict of such dicts by target if there are several targets.

        See `classification_scores` and `regression_scores`.

        Raises
        ------
        TypeError, ValueError
            See `predict` and `outputs`.
        """
        return self._scores(table, self._raw(table))

    def baseline(self, table: Any) -> dict[str, Any]:
        """Scores of a trivial prediction: the shares of the classes, or the mean, of the training data."""
        columns = as_table(table)
        rows = len(next(iter(columns.values())))
        trivial = [np.tile(target.shares or [0.0], (rows, 1)) for target in self.targets]
        return self._scores(columns, trivial)

    def _scores(self, table: Any, raw: list[Array]) -> dict[str, Any]:
        encoded = self.outputs(table)
        scores = {}
        for target, output, truth in zip(
            self.targets, raw, encoded if isinstance(encoded, list) else [encoded], strict=True
        ):
            if target.classes:
                scores[target.name] = classification_scores(truth, output)
            else:
                scores[target.name] = regression_scores(truth * target.scale + target.mean, target.decode(output))
        found: dict[str, Any] = self._single(scores)
        return found

    def _single(self, by_name: dict[str, Any]) -> Any:
        return next(iter(by_name.values())) if len(self.targets) == 1 else by_name

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Save network and encoders to one file, as `Model.save` does; `load` reads it.

        Raises
        ------
        OSError, TypeError, ValueError
            See `saving.save_model`.
        """
        config = {
            "encoder": self.encoder.get_config(),
            "targets": [target.get_config() for target in self.targets],
            "reader": self.reader.get_config(),
            "split": None if self.split is None else self.split.get_config(),
        }
        saving.save_model(self.model, filepath, extras={EXTRA: json.dumps(config, allow_nan=False)})

    def _repr_html_(self) -> str:
        """The columns as a table, for notebooks: how each one was read and encoded."""
        embedded = self.encoder.embedded
        kinds = {name: (f"left out, {reason}", "") for name, reason in self.encoder.dropped.items()}
        kinds |= {t.name: ("predicted class" if t.classes else "predicted number", "") for t in self.targets}
        for column in self.encoder.columns:
            inputs = "embedded" if column in embedded else str(len(column.feature_names))
            kinds[column.name] = column.kind, inputs
        notes = self.reader.notes()
        names = [*self.column_names, *self.encoder.dropped, *self.target_names]
        rows = [(name, *kinds[name], notes.get(name, "")) for name in names]
        title = f"TableModel for <b>{escape(', '.join(self.target_names))}</b>"
        below = f"{self.model.count_params():,} parameters"
        return html_table(title, ["Column", "Kind", "Inputs", "Read as"], rows, below, numbers=["Inputs"])

    def __repr__(self) -> str:
        return f"<TableModel of {len(self.encoder.columns)} columns for {', '.join(self.target_names)}>"


def knows_tables(filepath: str | os.PathLike[str]) -> bool:
    """Whether a model's file contains encoders for tables.

    Raises
    ------
    OSError, ValueError
        See `saving.load_extras`.

    Examples
    --------
    >>> import os, tempfile
    >>> import cbackprop as cb
    >>> from cbackprop import tables
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "plain.safetensors")
    ...     cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)]).save(path)
    ...     tables.knows_tables(path)
    False
    """
    return EXTRA in saving.load_extras(filepath)


def load(filepath: str | os.PathLike[str]) -> TableModel:
    """Load a network with its encoders from a file.

    Parameters
    ----------
    filepath : str or path

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a model, contains no encoders, or is damaged.

    Examples
    --------
    >>> import os, tempfile
    >>> from cbackprop import tables
    >>> model = tables.build({"a": [1, 2, 3], "b": [2.5, 4.5, 6.5]}, "b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "b.safetensors"))
    ...     same = tables.load(os.path.join(folder, "b.safetensors"))
    >>> same
    <TableModel of 1 columns for b>
    >>> bool((same.predict({"a": [9]}) == model.predict({"a": [9]})).all())
    True
    """
    path = os.fspath(filepath)
    texts = saving.load_extras(path)
    if EXTRA not in texts:
        raise ValueError(f"{path!r} contains a model without encoders for tables: it takes arrays. Use load_model.")
    try:
        config = json.loads(texts[EXTRA])
        encoder = TableEncoder.from_config(config["encoder"])
        targets = [TargetEncoder.from_config(target) for target in config["targets"]]
        reader = TableReader.from_config(config["reader"]) if "reader" in config else None
        split = Split(**config["split"]) if config.get("split") else None
        return TableModel(saving.load_model(path), encoder, targets, reader, split)
    except (TypeError, ValueError, KeyError, RuntimeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path!r} is damaged: its encoders for tables cannot be read: {error}") from error


def _reader_for(encoder: TableEncoder, targets: Sequence[TargetEncoder]) -> TableReader:
    """A reader for texts of the kinds of the encoded columns."""
    kinds = {column.name: "text" if column.kind == "category" else column.kind for column in encoder.columns}
    for target in targets:
        classes = {str: "text", bool: "boolean"}
        kinds[target.name] = classes.get(type(target.classes[0]), "number") if target.classes else "number"
    reader = TableReader()
    reader.readings = {name: Reading(kind) for name, kind in kinds.items()}
    return reader
