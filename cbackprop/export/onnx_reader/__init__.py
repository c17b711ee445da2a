"""From an ONNX graph to a model: which operators make which layers."""
