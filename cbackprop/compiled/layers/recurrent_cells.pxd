"""Cells of recurrent layers from which others are derived."""

from cbackprop.compiled.layers.recurrence cimport Recurrence32, Recurrence64


cdef class LSTM32(Recurrence32):
    pass


cdef class LSTM64(Recurrence64):
    pass
