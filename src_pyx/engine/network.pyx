"""Layers, heads, gradients and optimizer, connected: everything that exists before a run.

The plan and `cbackprop.engine.compiled`, which builds these objects, have checked everything. This file checks again
only what could cause a read or write outside of an array.
"""

import numpy as np

from cpython.ref cimport PyObject
from libc.stdlib cimport calloc, free

from cbackprop.compiled.constraints.projections cimport Projections
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.run cimport Run
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport couples, Layer
from cbackprop.compiled.metrics.tally cimport Tally
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, SegmentList
from cbackprop.compiled.regularizers.penalties cimport Penalties
from cbackprop.contract.implementation import name_of


cdef class Network:
    """Layers connected by buffers.

    Parameters
    ----------
    layers : list of Layer
        In the order in which they run.
    widths : list of int
        Elements per sample of each buffer.
    is_double : bool
    """

    def __cinit__(self, list layers, list widths, bint is_double):
        cdef Layer layer
        cdef Py_ssize_t i
        self.layers = list(layers)
        self.widths = list(widths)
        self.n_layers = self.n_predicting = len(layers)
        self.n_buffers = len(widths)
        self.is_double = is_double
        self.layer_pointers = <PyObject**>calloc(self.n_layers + 1, sizeof(PyObject*))
        self.backward_order = <Py_ssize_t*>calloc(self.n_layers + 1, sizeof(Py_ssize_t))
        self.linked = <bint*>calloc(self.n_layers + 1, sizeof(bint))
        if not (self.layer_pointers and self.backward_order and self.linked):
            raise MemoryError()
        for i, layer in enumerate(self.layers):
            self.layer_pointers[i] = <PyObject*>layer
            layer.is_double = is_double
            layer.itemsize = sizeof(double) if is_double else sizeof(float)
            layer.index = i
        self.schedules = {}
        self.points = []
        self.heads = []
        self.run = Run()

    def __dealloc__(self):
        free(self.layer_pointers)
        free(self.head_pointers)
        free(self.backward_order)
        free(self.linked)
        free(self.table_pointers)
        free(self.all_segments)

    # Connecting

    def use_blas(self, bint blas):
        """Choose BLAS or tiles for the products of later runs. The module of BLAS must have been imported before."""
        self.run.check_idle()
        self.blas = blas
        if self.optimizer is not None:
            self.optimizer.blas = blas

    cdef Py_ssize_t buffer(self, Py_ssize_t index) except -1:
        if not 0 <= index < self.n_buffers:
            raise IndexError(f"There is no buffer {index}.")
        return index

    def connect(self, Py_ssize_t index, tuple inputs, Py_ssize_t output, int training, unsigned int node):
        """Tell layer `index` its buffers, its number, and its fixed mode (0: inference, 1: training, -1: not fixed)."""
        cdef Layer layer = self.layers[index]
        cdef Py_ssize_t i
        self.run.check_idle()
        if layer.input_widths is None:
            raise TypeError(f"{name_of(layer)} does not say what it reads: call `expect` in its __init__.")
        widths = [self.widths[self.buffer(i)] for i in inputs]
        if widths != layer.input_widths or self.widths[self.buffer(output)] != layer.output_width:
            raise ValueError(
                f"{name_of(layer)} reads {layer.input_widths} numbers of a sample and writes "
                f"{layer.output_width}, but its buffers hold {widths} and {self.widths[output]}."
            )
        for i in range(layer.n_inputs):
            layer.inputs[i] = inputs[i]
        layer.output = output
        layer.training = training
        layer.node = node
        self.schedules = {}

    def set_weights(self, vector, list offsets):
        """Set the vector of all weights and, for each layer, the offsets of its parameters in this vector."""
        cdef Layer layer
        cdef Py_ssize_t i, k
        self.run.check_idle()
        self.weights = NULL
        for i, layer in enumerate(self.layers):
            if len(offsets[i]) != layer.n_parameters:
                raise ValueError("A layer has other parameters.")
            for k in range(layer.n_parameters):
                if not 0 <= offsets[i][k] <= vector.size - layer.parameters[k].size:
                    raise ValueError("A parameter does not lie in the vector of weights.")
                layer.parameters[k].offset = offsets[i][k] * vector.itemsize
        self.weights = <char*>address(vector, self.float_type(), vector.size)
        self.weight_memory = vector
        self.weights_version += 1

    def set_backward(self, list order, list accumulate, list linked, list points):
        """Set the layers of the backward pass in order, which input deltas each of them adds to, and which are linked.

        points : positions in this order. In front of each, the gradients of the layers before it can be computed.
        """
        cdef Py_ssize_t i, k
        cdef Layer layer
        self.run.check_idle()
        self.n_backward = 0
        for i in range(self.n_layers):
            self.linked[i] = i in linked
        for i in range(len(order)):
            layer = self.layers[order[i]]
            self.backward_order[i] = order[i]
            for k in range(layer.n_inputs):
                layer.accumulate[k] = accumulate[i][k]
        self.n_backward = len(order)
        self.points, self.n_points = list(points), len(points)
        self.schedules = {}

    def set_followers(self, list chains):
        """Set which layers run others on parts of their output: the number of each, and of the layers that follow it.

        A layer that follows reads only the output of the layer before it.
        """
        cdef Layer leader, follower, before
        cdef Py_ssize_t i
        cdef int training
        self.run.check_idle()
        for leader in self.layers:
            leader.n_followers = leader.led[0] = leader.led[1] = 0
        for first, *others in chains:
            leader = before = self.layers[first]
            free(leader.followers)
            leader.followers = <PyObject**>calloc(len(others) + 1, sizeof(PyObject*))
            if leader.followers == NULL:
                raise MemoryError()
            for i, other in enumerate(others):
                follower = self.layers[other]
                if not (leader.leads and follower.can_follow and follower.inputs[0] == before.output):
                    raise ValueError("A layer cannot follow another one.")
                leader.followers[i] = <PyObject*>follower
                before = follower
            leader.n_followers = len(others)
            for training in range(2):
                for other in others:
                    follower = self.layers[other]
                    if couples(follower, training):
                        break
                    follower.led[training] = True
        self.schedules = {}

    def set_predicting(self, Py_ssize_t count):
        """Let predictions run only the first `count` layers."""
        self.run.check_idle()
        if not 0 <= count <= self.n_layers:
            raise ValueError("There are not so many layers.")
        self.n_predicting = count

    def set_heads(self, list heads, list outputs, list masks):
        """Set the heads, and the buffers that they read: predictions, and masks (-1: no mask)."""
        cdef Head head
        cdef Py_ssize_t i
        self.run.check_idle()
        free(self.head_pointers)
        self.n_heads = 0
        self.masked = False
        self.head_pointers = <PyObject**>calloc(len(heads) + 1, sizeof(PyObject*))
        if self.head_pointers == NULL:
            raise MemoryError()
        self.heads = list(heads)
        for i, head in enumerate(self.heads):
            head.output = self.buffer(outputs[i])
            if head.positions * head.width != self.widths[head.output]:
                raise ValueError("The head does not fit the output.")
            head.mask = -1 if masks[i] < 0 else self.buffer(masks[i])
            if head.mask >= 0 and self.widths[head.mask] != head.positions:
                raise ValueError("The mask does not fit the output.")
            self.masked = self.masked or head.mask >= 0 or head.selects
            self.head_pointers[i] = <PyObject*>head
            if head.loss is not None:
                head.loss.failure = &self.run.failure
            head.is_double = self.is_double
            for tally in head.tallies:
                (<Tally?>tally).failure = &self.run.failure
        self.n_heads = len(heads)
        self.heads_version += 1

    def set_optimizer(self, Optimizer optimizer, SegmentList segments):
        """Set the optimizer, and the segments that it updates."""
        self.run.check_idle()
        self.optimizer = optimizer
        if optimizer is not None:
            optimizer.blas = self.blas
        self.segments = segments

    def set_gradients(self, Gradients gradients):
        """Set the object that computes gradients."""
        self.run.check_idle()
        self.gradients = gradients

    def set_tables(self, list tables):
        """Set the tables: parameters whose rows are updated one by one. Call this after `set_optimizer`."""
        cdef Py_ssize_t i
        cdef Table table
        self.run.check_idle()
        self.n_tables = 0
        self.tables = list(tables)
        free(self.table_pointers)
        free(self.all_segments)
        self.table_pointers = <PyObject**>calloc(len(tables) + 1, sizeof(PyObject*))
        self.all_segments = <Segment*>calloc(self.segments.size + len(tables) + 1, sizeof(Segment))
        if not (self.table_pointers and self.all_segments):
            raise MemoryError()
        for i, table in enumerate(self.tables):
            read = sum(self.widths[(<Layer>layer).inputs[0]] for layer in table.layers)
            known = all(layer in self.layers for layer in table.layers)
            if not known or table.n_slots != self.optimizer.n_memories or read > table.reads:
                raise ValueError("A table does not fit the engine.")
            self.table_pointers[i] = <PyObject*>table
        self.n_tables = len(tables)

    def set_penalties(self, Penalties penalties):
        """Set the penalties of weights (None: no penalties)."""
        self.run.check_idle()
        self.penalties = penalties

    def set_projections(self, Projections projections):
        """Set the constraints of weights (None: no constraints)."""
        self.run.check_idle()
        self.projections = projections

    def allocate_heads(self, Py_ssize_t samples):
        """Allocate memory for the losses and metrics of batches of up to this many samples."""
        cdef Head head
        self.run.check_idle()
        self.head_capacity = 0
        for head in self.heads:
            head.allocate(samples)
        self.head_capacity = samples

    def float_type(self):
        """The NumPy type of the engine's numbers."""
        return np.float64 if self.is_double else np.float32

    def check_complete(self):
        """Raise if a layer was not told its buffers and parameters."""
        cdef Py_ssize_t k
        cdef Layer layer
        self.checked = False
        for layer in self.layers:
            if layer.output < 0:
                raise RuntimeError("A layer has no buffers.")
            for k in range(layer.n_parameters):
                if layer.parameters[k].offset < 0 or self.weights == NULL:
                    raise RuntimeError("A layer has no parameters.")
        self.checked = True
