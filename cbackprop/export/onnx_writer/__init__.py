"""Convert a model to an ONNX graph, layer by layer."""
