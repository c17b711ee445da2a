"""A sparse matrix is the user's, who may write to it while a model trains."""

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
import scipy.sparse
import cbackprop as cb
from cbackprop import layers

{name} = None
x = scipy.sparse.random(4000, 50, 0.2, "csr", random_state=0)
x.indices = x.indices.astype(np.{index})
x.indptr = x.indptr.astype(np.{index})
y = np.asarray(x.sum(axis=1))

class Write(cb.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        x.{name}[:] = {value}

model = cb.Sequential([cb.Input((50,)), layers.{layer}, layers.Dense(1)])
model.compile("sgd", "mse", engine="{engine}")
try:
    model.fit(x, y, epochs=2, batch_size=32, verbose=0, callbacks=[Write()])
except ValueError as error:
    print(error)
print("lives")
"""


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("layer", ["Dense(4)", "Rescaling(2.0)"])
@pytest.mark.parametrize("index", ["int64", "int32"])
@pytest.mark.parametrize(("name", "value"), [("indptr", 2**30), ("indptr", -(2**30)), ("indices", 2**30)])
def test_no_process_dies_of_it(name, value, index, layer, engine):
    program = PROGRAM.format(name=name, value=value, index=index, layer=layer, engine=engine)
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("lives\n"), done.stderr
