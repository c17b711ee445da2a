"""One use of a layer in a network, compiled: its buffers, and its forward and backward passes.

The engine fills in the numbers, calls `forward` on every layer in order and `backward` in reverse order, for all
samples of a batch or for some of them. A layer writes its output's value; then, given its output's delta, its inputs'
deltas. When all samples of a batch have been through, `collect` computes the gradients of parameters, in parts.
Several threads may call all three at the same time.

A layer that `leads` runs those that follow on each part of its output that is done: see `lead`.

A layer whose samples depend on each other divides its passes into `phases`. Threads meet before and after a phase
that works on ITEMS, so that it can read what other threads have computed of their samples.
"""

import math

from libc.stdlib cimport calloc, free

from cbackprop.contract.fit import check_fit
from cbackprop.contract.implementation import name_of


cdef class Layer:
    """Subclasses override `forward`, `backward` and `collect`.

    In ``__init__`` they read what they need from `spec`, and say by `expect` what they read and write.

    A layer may destroy its output's delta in `backward` if it has no parameters.

    Parameters
    ----------
    spec : cbackprop.layers.Layer
        What the user wrote.
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
        """Declare once which shapes the layer reads and writes. A network compares them with those of the spec.

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
        """The bytes that the layer needs besides its buffers, by default none. Its float type is known by now."""
        return LayerMemory(0, 0, 0)

    @property
    def sample_bytes(self) -> int:
        """Bytes that the layer keeps of each sample from the forward to the backward pass."""
        return self.needs().sample

    @property
    def batch_bytes(self) -> int:
        """Bytes that the layer keeps of a batch as a whole until its step ends."""
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
        """For each parameter: its gradient can be computed in parts of any multiple of so many elements."""
        return [self.parameters[k].grain for k in range(self.n_parameters)]

    cdef void forward(self, const Batch* batch) noexcept nogil:
        pass

    cdef void forward_positions(self, const Batch* batch, Py_ssize_t begin, Py_ssize_t count) noexcept nogil:
        """`forward` for rows begin:begin + count of the last axis, counted through all samples.

        Only called if `can_follow`, for a layer whose samples do not depend on each other in this run.
        """
        pass

    cdef void backward(self, const Batch* batch) noexcept nogil:
        pass

    cdef int phases(self, bint training, bint back, int* kinds) noexcept nogil:
        """How many phases a pass has; kinds (MOST_PHASES,) OUT: ROWS or ITEMS for each.

        By default one: `forward` or `backward`, for some samples or, if samples depend on each other, for the whole
        batch at once.
        """
        kinds[0] = ITEMS if couples(self, training) else ROWS
        return 1

    cdef void run_rows(self, const Batch* batch, bint back, int phase) noexcept nogil:
        """A phase of ROWS, for these samples.

        If there are phases of ITEMS, too, the samples are whole parts of `part_rows`.
        """
        if back:
            self.backward(batch)
        else:
            self.forward(batch)

    cdef Py_ssize_t items(self, const Batch* batch, bint back, int phase) noexcept nogil:
        """Into how many pieces a phase of ITEMS can be divided. It must not depend on the number of threads."""
        return 1

    cdef void run_items(
        self, const Batch* batch, bint back, int phase, Py_ssize_t begin, Py_ssize_t end
    ) noexcept nogil:
        """The pieces begin:end of a phase of ITEMS, at least one, given all samples of the batch."""
        self.run_rows(batch, back, phase)

    cdef void finish(self, const Batch* batch) noexcept nogil:
        """After the step of a batch that changes weights: change those that no gradient reaches, by one thread.

        Only called for a layer whose samples depend on each other in this run.
        """
        pass

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        """The elements begin:end of the gradient of parameter k, from all samples of the batch.

        gradient (end - begin,) OUT, added to what is there if `add`.
        """
        pass

    cdef void collect_rows(self, const Batch* batch, Py_ssize_t k, RowSums* sums) noexcept nogil:
        """The gradient of parameter k, of which only some rows are reached, added to the sums of other uses.

        Only called for a layer whose spec says ``reads_rows``.
        """
        pass
