"""Models in the formats of other libraries, and back."""

from cbackprop.export.onnx_files import from_onnx, onnx

__all__ = ["from_onnx", "onnx"]
