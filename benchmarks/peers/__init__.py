"""The libraries that are measured: one module each, all with the same contents.

``TITLE``
    How the library is called in tables.
``PACKAGES``
    The distributions whose versions matter.
``set_threads(n)``
    Called once, before anything else. The process has been told already by its affinity and environment.
``Training(network)``
    A network of workloads.py, convnets.py, recurrent_nets.py or attention_nets.py, with its own starting weights and
    data. ``steps(count)`` takes so many steps on the first batch and returns the weights, for comparison;
    ``run(epochs)`` is what is timed: every epoch visits all rows in a new random order.
``Inference(prediction)``
    A `workloads.Prediction`. ``run(calls)`` is what is timed, and returns the last call's outputs; each call goes
    from one NumPy array to another.

A class that a library has no use for is left out. What it cannot express raises `UnsupportedError`.
"""

NAMES = ("cbackprop", "numpy", "sklearn", "torch", "jax", "onnxruntime")
# Peers that take the networks of convnets.py.
IMAGES = ("cbackprop", "torch_images", "torch_channels_last", "jax_images", "onnxruntime_images")

# Peers that take the networks of recurrent_nets.py.
RECURRENT = ("cbackprop", "torch_recurrent", "jax_recurrent")
# Peers that take the networks of attention_nets.py.
ATTENTION = ("cbackprop", "torch_attention", "torch_attention_eager", "jax_attention")


class UnsupportedError(Exception):
    """The library's arguments cannot say this network."""
