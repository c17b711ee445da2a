"""The NumPy twin: every layer, activation, loss, metric and optimizer again, in readable NumPy code.

Each module and class has the name of its compiled counterpart. Tests check that both engines give the same numbers.

To see how a network learns, read in this order:

1. *Forward.* ``layers/dense.py``: `forward` computes z = x W + b. ``activations.py``: the first function of each pair
   computes a = f(z).
2. *Loss.* ``losses/regression.py``: `MeanSquaredError` returns the loss of each row and its derivative by the
   prediction, with which the backward pass begins.
3. *Backward.* ``layers/dense.py`` again: `backward` turns the derivative by its output into those by W, by b and by x.
   ``activations.py``: the second function of each pair multiplies by f'(z).
4. *Update.* ``optimizers/sgd.py``: the step that the weights take.

`ReferenceEngine` in ``cbackprop/engine/reference.py`` does these four steps for all layers of a network and all batches
of an epoch. Its methods are in the same order. ``docs/learn/minimal.py`` does the same in 60 lines, for dense layers
only. Read about masks, random numbers and layers with several inputs later.

Examples -------- The four steps for a single neuron, with the classes and functions of these modules:

>>> import numpy as np
>>> from cbackprop.reference import activations
>>> x, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
>>> W, b = np.array([[0.5], [-0.25]]), np.array([0.1])
>>> f, f_back = activations.pair("tanh")
>>> z = x @ W + b
>>> a = f(z)                            # forward
>>> loss = ((a - y) ** 2).mean()
>>> delta_a = 2 * (a - y)               # loss
>>> delta_z = f_back(delta_a, z, a)
>>> dW, db = x.T @ delta_z, delta_z.sum(axis=0)     # backward
>>> W, b = W - 0.1 * dW, b - 0.1 * db   # update
>>> bool(((f(x @ W + b) - y) ** 2).mean() < loss)
True
"""
