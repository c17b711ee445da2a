"""Where samples come from: arrays, files larger than memory, generators and datasets.

`fit`, `evaluate` and `predict` see nothing but a `Source`: pieces of checked samples, each of which the engine runs in
one call. Arrays are one piece; what is read or made while training goes on comes in many.
"""

from cbackprop.models.sources.arrays import ArraySource
from cbackprop.models.sources.choose import open_source
from cbackprop.models.sources.source import Check, Piece, Source

__all__ = ["ArraySource", "Check", "Piece", "Source", "open_source"]
