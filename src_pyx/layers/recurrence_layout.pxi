# Recurrent layers: sizes, and the places of arrays in memory. Included by recurrence.pyx.

from cbackprop.compiled.kernels.activations cimport Activation as Function
from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, packed_numbers
from cbackprop.compiled.kernels.recurrence cimport gate_of
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory

cdef enum:
    # The most samples that are processed together, and the most numbers of their gates: their states stay in the cache.
    MOST_TOGETHER = 48
    GATES_TOGETHER = 48 * 1024
    # With fewer products, the recurrent kernel is not packed.
    LEAST_TO_PACK = 16
    # Records and other arrays begin at multiples of this many numbers.
    RECORD_STEP = 16
    LINE = 64


cdef inline Py_ssize_t rounded(Py_ssize_t n) noexcept nogil:
    """n, rounded up to a multiple of RECORD_STEP."""
    return (n + RECORD_STEP - 1) // RECORD_STEP * RECORD_STEP


cdef class Recurrence(Layer):
    """The part that does not depend on the float type: sizes, and positions in memory."""

    cdef Function function_of(self, kernel):
        """A function of gates, set up for the numbers of one position."""
        rows, width, numbers = kernel.layout((1, self.block))
        if rows * width != self.block or kernel.halves:
            raise ValueError("A function of gates must leave the units as they are.")
        return Function(kernel.name, numbers)

    cdef take_sizes(self, spec, list input_shapes):
        """Set the sizes."""
        self.input_masks, self.masks = spec.input_masks, spec.recurrent_masks
        self.units, self.width = spec.units, spec.gates * spec.units
        self.positions, self.block = 1, spec.units
        self.length, self.features = input_shapes[0]
        self.features //= self.input_masks
        self.state_shape = (spec.units,)
        self.weight_shapes = {
            "kernel": (self.features, self.width), "recurrent_kernel": (self.units, self.width),
            "bias": (*[2][:spec.has_recurrent_bias], self.width),
        }

    cdef take(self, spec, list input_shapes, Py_ssize_t size):
        """Read the spec; numbers have `size` bytes."""
        self.n_states = spec.n_states
        self.states_from = 1 if spec.takes_states else -1
        self.mask_from = len(input_shapes) - 1 if spec.takes_mask else -1
        self.backwards, self.returns_sequences = spec.go_backwards, spec.return_sequences
        self.returns_states, self.zero_masked = spec.return_state, spec.zero_output_for_mask
        self.in_order = spec.keeps_order
        self.has_bias, self.has_recurrent_bias = spec.use_bias, spec.has_recurrent_bias
        self.take_sizes(spec, input_shapes)
        self.state_width = self.masks * self.units
        self.expect_all(input_shapes)
        self.inner_function = self.function_of(spec.recurrent_function)
        self.outer_function = self.function_of(spec.outer_function)
        self.inner, self.outer = gate_of(self.inner_function), gate_of(self.outer_function)
        self.keeps_arguments = self.inner_function.reads_input or self.outer_function.reads_input
        self.keep = 1 - spec.recurrent_rate
        self.scale = 1 / self.keep if self.keep > 0 else 0.0
        self.stream = spec.stream
        self.together = max(min(<Py_ssize_t>MOST_TOGETHER, GATES_TOGETHER // self.width), 1)
        self.group_columns(size)
        self.lay_out()

    cdef expect_all(self, list input_shapes):
        """Declare the shapes of inputs, outputs and weights."""
        cdef object units = self.units, length = self.length, outputs
        inputs = [tuple(input_shapes[0])]
        inputs += [self.state_shape for _ in range(self.n_states)] if self.states_from > 0 else []
        inputs += [(length,)] if self.mask_from > 0 else []
        if self.returns_states:
            outputs = ((length if self.returns_sequences else 1) * units + self.n_states * units,)
        elif self.returns_sequences:
            outputs = (length, *self.state_shape)
        else:
            outputs = self.state_shape
        weights = dict(self.weight_shapes)
        if not self.has_bias:
            del weights["bias"]
        self.expect(inputs, outputs, weights)
        self.parameters[0].grain = self.parameters[1].grain = weights["kernel"][-1]
        if self.has_bias:
            self.parameters[2].grain = self.width if self.has_recurrent_bias else 1

    cdef Py_ssize_t columns_of_cell(self) noexcept:
        """The number of last columns of U that the cell multiplies itself."""
        return 0

    cdef Py_ssize_t kept_numbers(self) noexcept:
        """How many numbers the cell stores for each time step, in addition to gates and state."""
        return 0

    cdef void group_columns(self, Py_ssize_t size) noexcept:
        """The groups of columns of U; numbers have `size` bytes."""
        cdef Py_ssize_t others = self.columns_of_cell(), columns
        cdef int g
        self.n_groups = self.masks if self.masks > 1 else 2 if others else 1
        self.own_from = self.n_groups - 1 if others else self.n_groups
        self.group_begin[self.n_groups] = self.width
        self.packed_at[0][0] = self.packed_at[1][0] = 0
        for g in range(self.n_groups):
            self.group_begin[g] = g * self.units if self.masks > 1 else g * (self.width - others)
        for g in range(self.n_groups):
            columns = self.group_begin[g + 1] - self.group_begin[g]
            self.packed_at[0][g + 1] = self.packed_at[0][g] + rounded(packed_numbers(columns, self.units, size))
            self.packed_at[1][g + 1] = self.packed_at[1][g] + rounded(packed_numbers(self.units, columns, size))

    cdef void lay_out(self) noexcept:
        """Set the places of arrays in the records of a sample."""
        cdef Py_ssize_t at = self.width
        self.z_at = 0
        self.state_at = at
        at += self.state_width
        self.kept_at = at
        at += self.kept_numbers()
        self.before_at = at
        at = rounded(at + (self.width if self.keeps_arguments else 0))
        self.z_apart = self.state_apart = self.kept_apart = self.before_apart = at
        self.sample = self.length * at

    cdef Py_ssize_t packed_size(self) noexcept nogil:
        """How many numbers U has, packed in either direction."""
        return max(self.packed_at[0][self.n_groups], self.packed_at[1][self.n_groups]) + 2 * RECORD_STEP

    cdef Py_ssize_t states_size(self) noexcept nogil:
        """How many numbers of workspace the samples need that are processed together."""
        return self.together * (
            rounded(self.width) + (2 + SPARE_ROWS) * rounded(self.units) + 3 * rounded(self.state_width)
        )

    cdef LayerMemory needs(self):
        """Records for each sample. For each thread, U and the states of the samples that are processed together."""
        cdef Py_ssize_t numbers = rounded(self.packed_size()) + self.states_size()
        return LayerMemory(
            self.sample * self.itemsize, 0,
            self.product_bytes() + numbers * self.itemsize + self.together * (sizeof(Py_ssize_t) + self.state_width)
            + 4 * LINE,
        )

    cdef Py_ssize_t product_bytes(self) noexcept nogil:
        """The number of bytes before the workspace that products overwrite."""
        return WORKSPACE_BYTES

    cdef Py_ssize_t step_at(self, Py_ssize_t k) noexcept nogil:
        """The k-th time step in the order of processing."""
        return self.length - 1 - k if self.backwards else k

    cdef Py_ssize_t state_of(self, int g) noexcept nogil:
        """The offset, among the states of a sample, of the state by which a group is multiplied."""
        return g * self.units if self.masks > 1 else 0

    cdef bint lasts(self, const Batch* batch) noexcept nogil:
        """Whether there are states of the previous batch for these samples."""
        return batch.offset + batch.rows <= self.capacity
