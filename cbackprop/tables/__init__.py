"""Networks for tables: they take the raw columns of a table and predict columns.

This module does in Python what the commands ``cbackprop train DATA``, ``predict`` and ``evaluate`` do. Import it
separately: ``from cbackprop import tables``.
"""

from cbackprop.tables.encoder import TableEncoder, check_column
from cbackprop.tables.files import write
from cbackprop.tables.frame import as_table
from cbackprop.tables.model import TableModel, knows_tables, load
from cbackprop.tables.network import build
from cbackprop.tables.reader import TableReader, read
from cbackprop.tables.rows import Split, drop_missing, split
from cbackprop.tables.scores import classification_scores, regression_scores
from cbackprop.tables.target import TargetEncoder

__all__ = [
    "Split",
    "TableEncoder",
    "TableModel",
    "TableReader",
    "TargetEncoder",
    "as_table",
    "build",
    "check_column",
    "classification_scores",
    "drop_missing",
    "knows_tables",
    "load",
    "read",
    "regression_scores",
    "split",
    "write",
]
