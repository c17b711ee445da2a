"""A model can be saved and read while another thread trains it, also when models share layers: nobody hangs."""

import subprocess
import sys

import pytest

SCRIPT = """
import faulthandler, os, sys, tempfile, threading, time
import numpy as np
import cbackprop as cb
from cbackprop import layers

faulthandler.dump_traceback_later(50, exit=True)
act, engine, who = sys.argv[1:]
x, y = np.ones((60, 6)), np.ones((60, 3))
inputs = cb.Input((6,))
hidden = layers.Dense(5, kernel_constraint="non_neg")(inputs)

def network():
    model = cb.Model(inputs, layers.Dense(3)(hidden))
    model.compile(cb.optimizers.SGD(0.001), "mse", engine=engine)
    return model

first = network()
thread = threading.Thread(target=lambda: first.fit(x, y, epochs=10**7, batch_size=8, verbose=0), daemon=True)
thread.start()
while first.training_position() is None:
    time.sleep(0.01)
path = os.path.join(tempfile.mkdtemp(), "it.")
acts = {
    "save": lambda model: model.save(path + "cb"),
    "save in Keras's form": lambda model: model.save(path + "keras"),
    "save weights": lambda model: model.save_weights(path + "safetensors"),
    "save weights in Keras's form": lambda model: model.save_weights(path + "weights.h5"),
    "save training": lambda model: model.save_training(path + "backup"),
    "load weights": lambda model: (model.save_weights(path + "safetensors"), model.load_weights(path + "safetensors")),
    "read weights": lambda model: (model.get_weights(), [v.numpy() for v in model.optimizer.variables]),
    "compile": lambda model: (model.compile("adam", "mae", engine=engine), model.save(path + "keras")),
}
kept = []
end = time.monotonic() + 0.4
while time.monotonic() < end or not kept:
    second = network()
    second.train_on_batch(x, y)  # moves the weights of both to another place
    kept = [*kept[-2:], second]
    acts[act]({"first": first, "second": second}[who])
first.stop_training = True
thread.join()
print("over")
"""
ACTS = [
    "save",
    pytest.param("save in Keras's form", marks=pytest.mark.h5py),
    "save weights",
    pytest.param("save weights in Keras's form", marks=pytest.mark.h5py),
    "save training",
    "load weights",
    "read weights",
    pytest.param("compile", marks=pytest.mark.h5py),
]


@pytest.mark.parametrize("who", ["first", "second"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("act", ACTS)
def test_models_with_a_common_layer(act, engine, who):
    """The `first` model is being trained; the `second` one has the newer place of the weights."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", SCRIPT, act, engine, who],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "over\n", done.stderr
