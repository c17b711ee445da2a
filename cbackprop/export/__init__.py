"""Export models to the formats of other libraries, and import them."""

from cbackprop.export.onnx_files import from_onnx, onnx

__all__ = ["from_onnx", "onnx"]
