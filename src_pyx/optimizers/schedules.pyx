"""Learning rates as functions of the step, in double precision."""

from libc.math cimport M_PI, NAN, ceil, cos, floor, log, pow
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from cbackprop.compiled.engine.failure cimport Failure, fail, take_failure


cdef class Schedule:
    """A learning rate for each step. Subclasses override `rate`.

    Parameters
    ----------
    spec : cbackprop.optimizers.schedules.LearningRateSchedule
    """

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        """The rate of the step after `step` others. The optimizer refuses results that are not valid rates."""
        return NAN

    def at(self, uint64_t step):
        """The rate of one step."""
        cdef Failure failure
        failure.error = NULL
        rate = self.rate(step, &failure)
        error = take_failure(&failure)
        if error is not None:
            raise error
        return rate


cdef class PythonSchedule(Schedule):
    """A schedule written in Python, as a function of the step. If it raises, the batch fails."""

    cdef object function

    def __init__(self, function):
        self.function = function

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        with gil:
            try:
                return self.function(step)
            except BaseException as error:
                fail(failure, error)
                return 0


cdef class ExponentialDecay(Schedule):
    """initial decay_rate^(step / decay_steps)."""

    cdef double initial, steps, factor
    cdef bint staircase

    def __init__(self, spec):
        self.initial, self.steps, self.factor = spec.initial_learning_rate, spec.decay_steps, spec.decay_rate
        self.staircase = spec.staircase

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef double p = <double>step / self.steps
        return self.initial * pow(self.factor, floor(p) if self.staircase else p)


cdef class InverseTimeDecay(Schedule):
    """initial / (1 + decay_rate step / decay_steps)."""

    cdef double initial, steps, factor
    cdef bint staircase

    def __init__(self, spec):
        self.initial, self.steps, self.factor = spec.initial_learning_rate, spec.decay_steps, spec.decay_rate
        self.staircase = spec.staircase

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef double p = <double>step / self.steps
        return self.initial / (1 + self.factor * (floor(p) if self.staircase else p))


cdef class PiecewiseConstantDecay(Schedule):
    """The value after the last boundary that the step has passed."""

    cdef double* boundaries     # (n,)
    cdef double* values         # (n + 1,)
    cdef Py_ssize_t n

    def __cinit__(self, spec):
        cdef Py_ssize_t i
        self.boundaries = <double*>calloc(len(spec.boundaries) + 1, sizeof(double))
        self.values = <double*>calloc(len(spec.boundaries) + 1, sizeof(double))
        if self.boundaries == NULL or self.values == NULL:
            raise MemoryError()
        for i in range(len(spec.boundaries)):
            self.boundaries[i] = spec.boundaries[i]
        for i in range(len(spec.boundaries) + 1):
            self.values[i] = spec.values[i]
        self.n = len(spec.boundaries)

    def __dealloc__(self):
        free(self.boundaries)
        free(self.values)

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef Py_ssize_t i = 0
        while i < self.n and <double>step > self.boundaries[i]:
            i += 1
        return self.values[i]


cdef class PolynomialDecay(Schedule):
    """(initial - end) (1 - step / decay_steps)^power + end."""

    cdef double initial, steps, end, power
    cdef bint cycle

    def __init__(self, spec):
        self.initial, self.steps, self.end = spec.initial_learning_rate, spec.decay_steps, spec.end_learning_rate
        self.power, self.cycle = spec.power, spec.cycle

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef double t = <double>step, steps = self.steps
        if self.cycle:
            steps *= ceil(t / steps) if step else 1
        else:
            t = min(t, steps)
        return (self.initial - self.end) * pow(1 - t / steps, self.power) + self.end


cdef class CosineDecay(Schedule):
    """A linear warm-up to the target, then half a cosine down."""

    cdef double initial, steps, alpha, target, warmup
    cdef bint warms_up

    def __init__(self, spec):
        self.initial, self.steps, self.alpha = spec.initial_learning_rate, spec.decay_steps, spec.alpha
        self.warms_up = spec.warmup_target is not None
        self.target = spec.warmup_target if self.warms_up else self.initial
        self.warmup = spec.warmup_steps if self.warms_up else 0

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef double t = <double>step
        if t < self.warmup:
            return (self.target - self.initial) * (t / self.warmup) + self.initial
        t = min(t - self.warmup, self.steps)
        return self.target * ((1 - self.alpha) * 0.5 * (1 + cos(M_PI * t / self.steps)) + self.alpha)


cdef class CosineDecayRestarts(Schedule):
    """Half cosines, each `t_mul` times as long and `m_mul` times as high as the one before."""

    cdef double initial, steps, t_mul, m_mul, alpha

    def __init__(self, spec):
        self.initial, self.steps, self.alpha = spec.initial_learning_rate, spec.first_decay_steps, spec.alpha
        self.t_mul, self.m_mul = spec.t_mul, spec.m_mul

    cdef double begin_of(self, double period) noexcept nogil:
        """The beginning of a period, in units of the first period's length."""
        return period if self.t_mul == 1 else (pow(self.t_mul, period) - 1) / (self.t_mul - 1)

    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil:
        cdef double t = <double>step / self.steps, period, done
        period = floor(t if self.t_mul == 1 else log(1 + t * (self.t_mul - 1)) / log(self.t_mul))
        # the logarithm may be rounded to the wrong side of a restart
        if self.begin_of(period + 1) <= t:
            period += 1
        elif period > 0 and self.begin_of(period) > t:
            period -= 1
        done = (t - self.begin_of(period)) / pow(self.t_mul, period)
        return self.initial * (
            (1 - self.alpha) * 0.5 * pow(self.m_mul, period) * (1 + cos(M_PI * done)) + self.alpha
        )
