"""Convert an ONNX graph to a model, operator by operator."""
