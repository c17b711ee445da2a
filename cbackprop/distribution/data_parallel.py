"""DataParallel: every rank has the whole model and a share of each batch."""

from __future__ import annotations

from typing import Any

from cbackprop.distribution.communicator import Communicator
from cbackprop.distribution.launch import world
from cbackprop.validation import check_boolean

__all__ = ["PIECES", "DataParallel"]

# The number of pieces of a batch, if its sums must not depend on the number of ranks.
PIECES = 8


class DataParallel:
    """Divide each batch among the processes that ``mpiexec`` has started.

    Every rank has the whole model. In each step it computes the gradient of some rows of the batch. Then all ranks add
    up their gradients, and each makes the same update. Losses and metrics are computed over all ranks, so callbacks
    make the same decisions on every rank. Rank 0 writes files and shows progress.

    Parameters
    ----------
    device_mesh, devices : None
        Arguments of Keras. Here MPI decides which processes there are.
    auto_shard_dataset : bool, default True
        If True, all ranks give `fit` the same data, and each takes its share of each batch. `batch_size` counts the
        samples of all ranks together. If False, each rank has its own data, and `batch_size` counts the samples of one
        rank. All ranks must have the same number of batches.
    deterministic : bool, default False
        Whether weights have the same bits with 1, 2, 4 or 8 ranks. For that, gradients are summed in an order that
        depends only on the batch: each batch is divided into eight pieces, each with its own gradient, and these are
        added up pair by pair. Large batches of small layers are slower then, because they cannot pass in blocks.

    Attributes
    ----------
    rank : int
        The number of this process, counted from 0.
    num_processes : int
        How many there are.

    Raises
    ------
    ImportError
        Without mpi4py.
    ValueError
        If an argument is wrong, or `deterministic` is set with another number of ranks.

    Notes
    -----
    - Start the program with ``mpiexec -n 4 python train.py``. All ranks run the same script, and must call `fit`,
      `evaluate` and `train_on_batch` in the same order. `predict` runs on each rank alone.
    - `BatchNormalization`, and layers in Python, see the samples of one rank. Moving averages are averaged over ranks
      when an epoch ends. Losses of a whole batch, such as `losses.Dice`, are refused.
    - The state of a metric in Python is added up over ranks.
    - Full-batch optimizers, and engine="reference", run on one rank only.

    References
    ----------
    Arguments are those of Keras 3, except `deterministic`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.distribution.set_distribution(cb.distribution.DataParallel())  # doctest: +SKIP
    """

    def __init__(
        self,
        device_mesh: Any = None,
        devices: Any = None,
        auto_shard_dataset: bool = True,
        *,
        deterministic: bool = False,
    ) -> None:
        for name, value in (("device_mesh", device_mesh), ("devices", devices)):
            if value is not None:
                raise ValueError(f"{name} must be None: the processes that mpiexec has started share the work.")
        self.auto_shard_dataset = check_boolean("auto_shard_dataset", auto_shard_dataset)
        self.deterministic = check_boolean("deterministic", deterministic)
        if self.deterministic and not self.auto_shard_dataset:
            raise ValueError(
                "deterministic must be False if each rank has its own data: batches depend on the number of ranks then."
            )
        self.communicator: Communicator = world()
        if self.deterministic and PIECES % self.num_processes:
            raise ValueError(
                f"deterministic needs 1, 2, 4 or 8 ranks, but there are {self.num_processes}: leave it out, or start "
                "another number of processes."
            )

    @property
    def rank(self) -> int:
        """The number of this process, counted from 0."""
        return self.communicator.rank

    @property
    def num_processes(self) -> int:
        """The number of processes."""
        return self.communicator.size

    def pieces(self) -> tuple[int, int, int]:
        """The pieces of each batch that this rank has: the first one, their number, and the number of all pieces."""
        total = PIECES if self.deterministic else self.num_processes
        count = total // self.num_processes
        return self.rank * count, count, total

    def __repr__(self) -> str:
        return f"<DataParallel of {self.num_processes} processes, rank {self.rank}>"
