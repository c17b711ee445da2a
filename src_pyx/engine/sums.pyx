"""The sums that losses and metrics are made of, over the samples since the last reset and in each epoch."""

import numpy as np

from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.head cimport Head, MetricSum
from cbackprop.compiled.engine.network cimport Network


cdef void end_mean(MetricSum metric, double* sums) noexcept nogil:
    """Store the two sums of a metric, and start again from 0."""
    sums[0], sums[1] = metric.total, metric.count
    metric.total = metric.count = 0


cdef class Sums:
    """
    Parameters
    ----------
    network : Network
    feeds : Feeds

    Attributes
    ----------
    loss_total, loss_count : float
        The sum of the loss over samples, and their number. Their quotient is the mean.
    epochs_done : int
        How many rows of the sums of epochs are complete.
    """

    def __cinit__(self, Network network not None, Feeds feeds not None):
        self.network, self.feeds = network, feeds
        self.follow_heads()

    cdef follow_heads(self):
        """Allocate memory for the sums of the network's heads, which may have changed."""
        if self.head_totals is None or self.heads_version != self.network.heads_version:
            self.head_totals = np.zeros(max(self.network.n_heads, 1))
            self.heads_version = self.network.heads_version

    cdef void add(self, Py_ssize_t rows, double batch_rows, const double* divisors) noexcept nogil:
        """Add the losses and metrics of a batch; with ranks, this rank's share of them.

        rows : the samples that this process has, at least 1
        batch_rows : those of the whole batch
        divisors (heads,) : what losses were divided by
        """
        cdef Py_ssize_t i
        cdef double loss
        for i in range(self.network.n_heads):
            loss = (<Head>self.network.head_pointers[i]).add_up(rows, self.feeds.weights_of(i) != NULL, divisors[i])
            self.head_totals[i] += loss * batch_rows
            self.loss_total += (<Head>self.network.head_pointers[i]).loss_weight * loss * batch_rows
        if self.network.penalties is not None:
            self.loss_total += self.network.penalties.total() * rows
        self.loss_count += rows

    def reset(self):
        """Start new sums."""
        cdef Head head
        self.network.run.check_idle()
        self.follow_heads()
        self.loss_total = self.loss_count = 0
        self.head_totals[:] = 0
        for head in self.network.heads:
            head.reset()

    # Several epochs in one run

    def size_of_epoch(self):
        """How many numbers an epoch adds up, where all metrics are means over rows."""
        cdef Head head
        count = 2 + self.network.n_heads
        for head in self.network.heads:
            if head.n_tallies:
                raise ValueError("A metric adds up more than two numbers.")
            count += 2 * head.n_metrics
        return count

    cdef begin_epochs(self, double[:, ::1] epochs):
        """Note the sums of each epoch of a run in a row of `epochs`."""
        self.epochs, self.epochs_done = epochs, 0
        self.reset()

    cdef void end_epoch(self) noexcept nogil:
        """Store the sums of an epoch, and start again from 0."""
        cdef double* sums = &self.epochs[self.epochs_done, 0]
        cdef Py_ssize_t i, k, at = 2 + self.network.n_heads
        sums[0], sums[1] = self.loss_total, self.loss_count
        self.loss_total = self.loss_count = 0
        for i in range(self.network.n_heads):
            sums[2 + i] = self.head_totals[i]
            self.head_totals[i] = 0
            for k in range((<Head>self.network.head_pointers[i]).n_metrics):
                end_mean(<MetricSum>(<Head>self.network.head_pointers[i]).metric_pointers[k], &sums[at])
                at += 2
        self.epochs_done += 1

    # Without the metrics, which hold their own sums

    def get(self):
        """All sums since the last reset, as `set` takes them."""
        self.follow_heads()
        return self.loss_total, self.loss_count, self.head_losses()

    def set(self, double loss_total, double loss_count, list head_losses):
        """Continue from the sums that `get` returned."""
        cdef Py_ssize_t i
        self.network.run.check_idle()
        self.follow_heads()
        self.loss_total = loss_total
        self.loss_count = loss_count
        for i in range(len(head_losses)):
            self.head_totals[i] = head_losses[i]

    def head_losses(self):
        """Sum over samples of each head's loss since the last reset."""
        self.follow_heads()
        return list(self.head_totals)
