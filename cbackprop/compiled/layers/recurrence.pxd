"""Recurrent layers: the class with the loop over time steps. Other packages may `cimport` it to add cells."""

from cbackprop.compiled.kernels.activations cimport Activation as Function
from cbackprop.compiled.kernels.recurrence cimport Gate
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory

cdef enum:
    MOST_STATES = 2
    MOST_GROUPS = 4
    # Scratch rows for each sample that a cell may use.
    SPARE_ROWS = 3


cdef class Recurrence(Layer):
    cdef Py_ssize_t length, features, units
    cdef Py_ssize_t positions, block    # units = positions * block
    cdef Py_ssize_t width               # of all gates
    cdef int input_masks, masks         # number of different inputs and states of the gates: 1, or one for each gate
    cdef Py_ssize_t state_width         # numbers of the states that are multiplied by U
    cdef Py_ssize_t together            # samples that are processed together
    cdef int n_groups, own_from         # groups of columns of U; the cell multiplies those from `own_from` on
    cdef Py_ssize_t group_begin[MOST_GROUPS + 1]
    cdef Py_ssize_t packed_at[2][MOST_GROUPS + 1]   # places of packed U and U^T for each group
    # In a sample's memory: the places of gates, states, the cell's numbers and arguments of functions for the first
    # time step, and their distances from one time step to the next.
    cdef Py_ssize_t z_at, state_at, kept_at, before_at
    cdef Py_ssize_t z_apart, state_apart, kept_apart, before_apart
    cdef Py_ssize_t sample              # numbers of that memory
    cdef bint keeps_arguments
    cdef bint has_bias, has_recurrent_bias
    cdef bint backwards, returns_sequences, returns_states, zero_masked, in_order
    cdef int n_states
    cdef int states_from, mask_from     # numbers of inputs; -1 if there is none
    cdef tuple state_shape
    cdef dict weight_shapes
    cdef Function inner_function, outer_function    # kept alive here
    cdef Gate inner, outer
    cdef double keep, scale             # of recurrent dropout
    cdef unsigned int stream
    cdef list kept                      # arrays with the states that are kept from batch to batch
    cdef Py_ssize_t capacity            # samples in them

    cdef Function function_of(self, kernel)
    cdef take_sizes(self, spec, list input_shapes)
    cdef take(self, spec, list input_shapes, Py_ssize_t size)
    cdef expect_all(self, list input_shapes)
    cdef Py_ssize_t columns_of_cell(self) noexcept
    cdef Py_ssize_t kept_numbers(self) noexcept
    cdef void group_columns(self, Py_ssize_t size) noexcept
    cdef void lay_out(self) noexcept
    cdef Py_ssize_t packed_size(self) noexcept nogil
    cdef Py_ssize_t states_size(self) noexcept nogil
    cdef Py_ssize_t product_bytes(self) noexcept nogil
    cdef Py_ssize_t step_at(self, Py_ssize_t k) noexcept nogil
    cdef Py_ssize_t state_of(self, int g) noexcept nogil
    cdef bint lasts(self, const Batch* batch) noexcept nogil


cdef struct Moment32:
    # Some samples at one time step. Rows of one sample after the other, unless something else is said.
    const Batch* batch
    Py_ssize_t rows
    Py_ssize_t step             # numbers between the memories of two samples
    float* z               # (rows, width), `step` apart: gates; backwards their deltas
    float* state           # (rows, masks units), `step` apart: h as it was multiplied by U
    float* kept            # (rows, as many as the cell keeps), `step` apart
    float* before          # (rows, width), `step` apart: arguments of the gates' functions; NULL if none is needed
    const float* mask      # (rows,), `mask_step` apart: 0 where the sample has no such step; or NULL
    Py_ssize_t mask_step
    float* more            # (rows, width): h U forwards, the deltas of the gates backwards
    float* used            # (rows, masks units): h as it is multiplied by U; `h` itself without dropout
    float* h               # (rows, units): the state; backwards its delta
    float* c               # (rows, units): the cell state; backwards its delta
    float* du              # (rows, masks units): backwards what reaches h by way of U; `h` itself without dropout
    float* spare           # (rows, SPARE_ROWS units), destroyed
    float* packed          # U, packed; backwards its transpose
    const float* recurrent   # (units, width): U


cdef inline bint counts32(const Moment32* at, Py_ssize_t r) noexcept nogil:
    """Whether the sample has this time step."""
    return at.mask == NULL or at.mask[r * at.mask_step] != 0


cdef class RecurrentProducts32(Recurrence):
    cdef void project(self, const Batch* batch) noexcept nogil
    cdef void project_back(self, const Batch* batch, float* dx) noexcept nogil
    cdef bint packs(self, const Moment32* at) noexcept nogil
    cdef void pack(self, const Moment32* at, bint back) noexcept nogil
    cdef void times_recurrent(self, const Moment32* at) noexcept nogil
    cdef void times_transposed(self, const Moment32* at) noexcept nogil
    cdef void times_group(self, const Moment32* at, int g, const float* a, Py_ssize_t a_row) noexcept nogil
    cdef void times_group_transposed(
        self, const Moment32* at, int g, bint add, float* out, Py_ssize_t out_row
    ) noexcept nogil
    cdef void collect_product(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, const float* a, Py_ssize_t a_row,
        Py_ssize_t column, Py_ssize_t columns, const float* deltas, Py_ssize_t deltas_row, bint add, float* gradient,
    ) noexcept nogil
    cdef void collect_kernel(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, float* gradient
    ) noexcept nogil
    cdef void collect_columns(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t a_at, Py_ssize_t column,
        Py_ssize_t columns, Py_ssize_t deltas_at, bint add, float* gradient,
    ) noexcept nogil
    cdef void collect_recurrent(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, float* gradient
    ) noexcept nogil
    cdef void collect_bias(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, float* gradient
    ) noexcept nogil


cdef class Recurrence32(RecurrentProducts32):
    cdef float* lasting[MOST_STATES]

    cdef keep_states(self, list arrays)
    cdef void cell_forward(self, const Moment32* at) noexcept nogil
    cdef void cell_backward(self, const Moment32* at) noexcept nogil
    cdef float* arrange(self, const Batch* batch, Py_ssize_t rows, Moment32* at) noexcept nogil
    cdef void show(self, const Batch* batch, Py_ssize_t first, Py_ssize_t t, Moment32* at) noexcept nogil
    cdef void draw(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows, float* factors) noexcept nogil
    cdef void drop(self, const Moment32* at, const float* factors) noexcept nogil
    cdef void drop_back(self, const Moment32* at, const float* factors) noexcept nogil
    cdef void find_first(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t* begun
    ) noexcept nogil
    cdef void begin_states(self, const Batch* batch, Py_ssize_t first, const Moment32* at) noexcept nogil
    cdef void forward_some(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows) noexcept nogil
    cdef void write_step(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t k, const Py_ssize_t* begun, const Moment32* at
    ) noexcept nogil
    cdef void write_states(
        self, const Batch* batch, Py_ssize_t first, const Py_ssize_t* begun, const Moment32* at
    ) noexcept nogil
    cdef bint shows_last(self, const Moment32* at, const Py_ssize_t* begun, Py_ssize_t r) noexcept nogil
    cdef void backward_some(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows) noexcept nogil
    cdef bint wants_states(self, const Batch* batch) noexcept nogil
    cdef void begin_deltas(
        self, const Batch* batch, Py_ssize_t first, const Py_ssize_t* begun, const Moment32* at
    ) noexcept nogil
    cdef void read_step(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t k, const Py_ssize_t* begun, const Moment32* at
    ) noexcept nogil
    cdef void write_state_deltas(self, const Batch* batch, Py_ssize_t first, const Moment32* at) noexcept nogil


cdef struct Moment64:
    # Some samples at one time step. Rows of one sample after the other, unless something else is said.
    const Batch* batch
    Py_ssize_t rows
    Py_ssize_t step             # numbers between the memories of two samples
    double* z              # (rows, width), `step` apart: gates; backwards their deltas
    double* state          # (rows, masks units), `step` apart: h as it was multiplied by U
    double* kept           # (rows, as many as the cell keeps), `step` apart
    double* before         # (rows, width), `step` apart: arguments of the gates' functions; NULL if none is needed
    const double* mask     # (rows,), `mask_step` apart: 0 where the sample has no such step; or NULL
    Py_ssize_t mask_step
    double* more           # (rows, width): h U forwards, the deltas of the gates backwards
    double* used           # (rows, masks units): h as it is multiplied by U; `h` itself without dropout
    double* h              # (rows, units): the state; backwards its delta
    double* c              # (rows, units): the cell state; backwards its delta
    double* du             # (rows, masks units): backwards what reaches h by way of U; `h` itself without dropout
    double* spare          # (rows, SPARE_ROWS units), destroyed
    double* packed         # U, packed; backwards its transpose
    const double* recurrent  # (units, width): U


cdef inline bint counts64(const Moment64* at, Py_ssize_t r) noexcept nogil:
    """Whether the sample has this time step."""
    return at.mask == NULL or at.mask[r * at.mask_step] != 0


cdef class RecurrentProducts64(Recurrence):
    cdef void project(self, const Batch* batch) noexcept nogil
    cdef void project_back(self, const Batch* batch, double* dx) noexcept nogil
    cdef bint packs(self, const Moment64* at) noexcept nogil
    cdef void pack(self, const Moment64* at, bint back) noexcept nogil
    cdef void times_recurrent(self, const Moment64* at) noexcept nogil
    cdef void times_transposed(self, const Moment64* at) noexcept nogil
    cdef void times_group(self, const Moment64* at, int g, const double* a, Py_ssize_t a_row) noexcept nogil
    cdef void times_group_transposed(
        self, const Moment64* at, int g, bint add, double* out, Py_ssize_t out_row
    ) noexcept nogil
    cdef void collect_product(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, const double* a, Py_ssize_t a_row,
        Py_ssize_t column, Py_ssize_t columns, const double* deltas, Py_ssize_t deltas_row, bint add, double* gradient,
    ) noexcept nogil
    cdef void collect_kernel(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, double* gradient
    ) noexcept nogil
    cdef void collect_columns(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t a_at, Py_ssize_t column,
        Py_ssize_t columns, Py_ssize_t deltas_at, bint add, double* gradient,
    ) noexcept nogil
    cdef void collect_recurrent(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, double* gradient
    ) noexcept nogil
    cdef void collect_bias(
        self, const Batch* batch, Py_ssize_t begin, Py_ssize_t end, bint add, double* gradient
    ) noexcept nogil


cdef class Recurrence64(RecurrentProducts64):
    cdef double* lasting[MOST_STATES]

    cdef keep_states(self, list arrays)
    cdef void cell_forward(self, const Moment64* at) noexcept nogil
    cdef void cell_backward(self, const Moment64* at) noexcept nogil
    cdef double* arrange(self, const Batch* batch, Py_ssize_t rows, Moment64* at) noexcept nogil
    cdef void show(self, const Batch* batch, Py_ssize_t first, Py_ssize_t t, Moment64* at) noexcept nogil
    cdef void draw(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows, double* factors) noexcept nogil
    cdef void drop(self, const Moment64* at, const double* factors) noexcept nogil
    cdef void drop_back(self, const Moment64* at, const double* factors) noexcept nogil
    cdef void find_first(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t* begun
    ) noexcept nogil
    cdef void begin_states(self, const Batch* batch, Py_ssize_t first, const Moment64* at) noexcept nogil
    cdef void forward_some(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows) noexcept nogil
    cdef void write_step(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t k, const Py_ssize_t* begun, const Moment64* at
    ) noexcept nogil
    cdef void write_states(
        self, const Batch* batch, Py_ssize_t first, const Py_ssize_t* begun, const Moment64* at
    ) noexcept nogil
    cdef bint shows_last(self, const Moment64* at, const Py_ssize_t* begun, Py_ssize_t r) noexcept nogil
    cdef void backward_some(self, const Batch* batch, Py_ssize_t first, Py_ssize_t rows) noexcept nogil
    cdef bint wants_states(self, const Batch* batch) noexcept nogil
    cdef void begin_deltas(
        self, const Batch* batch, Py_ssize_t first, const Py_ssize_t* begun, const Moment64* at
    ) noexcept nogil
    cdef void read_step(
        self, const Batch* batch, Py_ssize_t first, Py_ssize_t k, const Py_ssize_t* begun, const Moment64* at
    ) noexcept nogil
    cdef void write_state_deltas(self, const Batch* batch, Py_ssize_t first, const Moment64* at) noexcept nogil
