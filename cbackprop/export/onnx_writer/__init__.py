"""From a model to an ONNX graph: each layer's operators."""
