"""Where samples come from: arrays, files larger than memory, generators and datasets.

`fit`, `evaluate` and `predict` see only a `Source`: pieces of checked samples. The engine runs each piece in one call.
Arrays are one piece. Data that is read or made during training comes in many.
"""

from cbackprop.models.sources.arrays import ArraySource
from cbackprop.models.sources.choose import open_source
from cbackprop.models.sources.source import Check, Piece, Source

__all__ = ["ArraySource", "Check", "Piece", "Source", "open_source"]
