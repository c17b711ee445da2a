"""Sources of samples: arrays, files larger than memory, generators and datasets.

`fit`, `evaluate` and `predict` see only a `Source`, which yields pieces of checked samples. The engine runs each piece
in one call. Arrays are a single piece; data that is read or made during training comes in many.
"""

from cbackprop.models.sources.arrays import ArraySource
from cbackprop.models.sources.choose import is_dataset, open_source
from cbackprop.models.sources.source import Check, Piece, Source

__all__ = ["ArraySource", "Check", "Piece", "Source", "is_dataset", "open_source"]
