"""One use of a layer in a network, compiled: its buffers, and its forward and backward passes.

The engine calls `forward` of all layers in order, and then `backward` in reverse order, for all samples of a batch or
for some of them. `forward` writes the value of the layer's output. `backward` computes the deltas of the inputs from
the delta of the output. After all samples, `collect` computes the gradients of parameters, in parts. Several threads
may call all three at the same time.

A layer that `leads` runs the layers that follow it on each part of its output that is done: see `lead`.

A layer whose samples depend on each other divides its passes into `phases`. Threads meet before and after a phase of
ITEMS, so that it can read the results of other threads.
"""

import math

from libc.stdlib cimport calloc, free

from cbackprop.contract.fit import check_fit
from cbackprop.contract.implementation import name_of


cdef class Layer:
    """Subclasses override `forward`, `backward` and `collect`.

    Their ``__init__`` reads `spec`, and calls `expect` with the shapes that the layer reads and writes.

    A layer may destroy its output's delta in `backward` if it has no parameters.

    Parameters
    ----------
    spec : cbackprop.layers.Layer
        The user's layer.
    input_shapes : list of tuple of int
        The shape of one sample of each input.
    output_shape : tuple of int
    """

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t k
        self.n_inputs = len(input_shapes)
        self.n_parameters = len(spec.variables)
        self.inputs = <Py_ssize_t*>calloc(self.n_inputs + 1, sizeof(Py_ssize_t))
        self.accumulate = <bint*>calloc(self.n_inputs + 1, sizeof(bint))
        self.parameters = <Parameter*>calloc(self.n_parameters + 1, sizeof(Parameter))
        if self.inputs == NULL or self.accumulate == NULL or self.parameters == NULL:
            raise MemoryError()
        for k, variable in enumerate(spec.variables):
            self.parameters[k].size = self.parameters[k].grain = variable.size
            self.parameters[k].offset = -1
        self.couples_samples = {"never": NEVER, "in_training": IN_TRAINING, "always": ALWAYS}[spec.couples_samples]
        self.output = -1
        self.training = -1
        self.given = spec, input_shapes, output_shape

    def __dealloc__(self):
        free(self.inputs)
        free(self.accumulate)
        free(self.parameters)
        free(self.followers)

    cdef expect(self, list inputs, tuple output, dict weights):
        """Declare the shapes that the layer reads and writes. The network compares them with the spec's.

        Parameters
        ----------
        inputs : list of tuple of int
            The shapes of a sample of each input.
        output : tuple of int
        weights : dict of str to tuple of int, or None
            The spec's attributes that hold the parameters, in order, and their shapes; ``None`` for any parameters.

        Raises
        ------
        ValueError
            If the layer was given other shapes.
        """
        spec, input_shapes, output_shape = self.given
        check_fit(spec, name_of(self), input_shapes, output_shape, inputs, output, weights)
        self.input_widths = [math.prod(shape) for shape in inputs]
        self.output_width = math.prod(output)
        self.given = None

    cdef LayerMemory needs(self):
        """The bytes that the layer needs besides its buffers, by default none. The float type is known at this time."""
        return LayerMemory(0, 0, 0)

    @property
    def sample_bytes(self) -> int:
        """Bytes that the layer keeps for each sample from the forward to the backward pass."""
        return self.needs().sample

    @property
    def batch_bytes(self) -> int:
        """Bytes that the layer keeps for the batch as a whole until the end of the step."""
        return self.needs().batch

    @property
    def thread_bytes(self) -> int:
        """Bytes that each thread needs while it runs the layer."""
        return self.needs().thread

    @property
    def is_led(self) -> tuple:
        """Whether another layer runs this one forwards, in prediction and in training."""
        return bool(self.led[0]), bool(self.led[1])

    @property
    def grains(self) -> list:
        """For each parameter: parts of its gradient may begin and end at multiples of this number of elements."""
        return [self.parameters[k].grain for k in range(self.n_parameters)]

    cdef void forward(self, const Batch* batch) noexcept nogil:
        pass

    cdef void forward_positions(self, const Batch* batch, Py_ssize_t begin, Py_ssize_t count) noexcept nogil:
        """`forward` for the rows begin:begin + count of the last axis, counted through all samples.

        It is only called if `can_follow`, and if the layer's samples do not depend on each other in this run.
        """
        pass

    cdef void backward(self, const Batch* batch) noexcept nogil:
        pass

    cdef int phases(self, bint training, bint back, int* kinds) noexcept nogil:
        """Return the number of phases of a pass. kinds (MOST_PHASES,) OUT: ROWS or ITEMS for each.

        By default there is one phase: `forward` or `backward`, for some samples or, if samples depend on each other,
        for the whole batch.
        """
        kinds[0] = ITEMS if couples(self, training) else ROWS
        return 1

    cdef bint prefers_items(self, Py_ssize_t rows) noexcept nogil:
        """Whether several threads should run the layer's phase of ROWS as one of ITEMS, for a batch of `rows` rows.

        The bits must be the same either way.
        """
        return False

    cdef void run_rows(self, const Batch* batch, bint back, int phase) noexcept nogil:
        """Run a phase of ROWS for these samples.

        If there are also phases of ITEMS, the samples are whole parts of `part_rows` rows.
        """
        if back:
            self.backward(batch)
        else:
            self.forward(batch)

    cdef Py_ssize_t items(self, const Batch* batch, bint back, int phase) noexcept nogil:
        """The number of items of a phase of ITEMS. It must not depend on the number of threads."""
        return 1

    cdef void run_items(
        self, const Batch* batch, bint back, int phase, Py_ssize_t begin, Py_ssize_t end
    ) noexcept nogil:
        """Run the items begin:end (at least one) of a phase of ITEMS, given all samples of the batch."""
        self.run_rows(batch, back, phase)

    cdef void finish(self, const Batch* batch) noexcept nogil:
        """After a training step, in one thread: update weights without a gradient, such as moving averages.

        It is only called if the layer's samples depend on each other in this run.
        """
        pass

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        """Compute the elements begin:end of the gradient of parameter k, from all samples of the batch.

        gradient (end - begin,) OUT. With `add`, they are added to the values there.
        """
        pass

    cdef void collect_rows(self, const Batch* batch, Py_ssize_t k, RowSums* sums) noexcept nogil:
        """Add the gradients of those rows of parameter k that the batch has read to the sums of other uses.

        It is only called if the spec has ``reads_rows``.
        """
        pass
