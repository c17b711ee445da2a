"""One model trained by several processes, which MPI has started: Keras's names, for the ranks of a cluster."""

from cbackprop.absent import explain
from cbackprop.distribution.data_parallel import DataParallel
from cbackprop.distribution.launch import initialize, list_devices
from cbackprop.distribution.setting import distribution, set_distribution

__all__ = ["DataParallel", "distribution", "initialize", "list_devices", "set_distribution"]

explain(__name__)
