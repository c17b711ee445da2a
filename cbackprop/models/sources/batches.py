"""Batches that generators, iterables and datasets make during training."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

from cbackprop import random
from cbackprop.losses.target import NotFiniteError
from cbackprop.models.data import Samples
from cbackprop.models.sources.prefetch import Prefetch
from cbackprop.models.sources.source import CALLER, Check, Piece, Source, ran_out, whole_executions
from cbackprop.validation import a_type, type_name, with_article

__all__ = ["BatchSource", "Indexed", "Once", "Passes", "Repeated"]

# Batches that are prepared ahead of training, if the dataset does not say how many.
AHEAD = 4
# The largest number of items of a list or a dict that a message describes.
MOST_DESCRIBED = 6


class Once:
    """Batches of an iterator, which yields them only once.

    Parameters
    ----------
    iterator : iterator
    """

    restarts = False
    makes_new_arrays = False  # else the arrays of a batch may be written over while the next one is made
    length: int | None = None
    workers = 1
    ahead = AHEAD

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def example(self) -> Any:
        """The first batch. It is kept for training."""
        first = list(itertools.islice(self._iterator, 1))
        self._iterator = itertools.chain(first, self._iterator)
        if not first:
            raise ValueError("x yields no batches.")
        return first[0]

    def tasks(self, shuffle: bool) -> Iterator[Any]:
        """Tasks. `batch` makes a batch from each of them."""
        return self._iterator

    def batch(self, task: Any) -> Any:
        """The batch of a task."""
        return task

    def begin(self) -> None:
        """Called when an epoch begins."""

    def end(self) -> None:
        """Called when an epoch has ended."""


class Repeated(Once):
    """Batches of an iterable that can be iterated again, such as a torch DataLoader.

    Parameters
    ----------
    iterable : iterable
    """

    restarts = True

    def __init__(self, iterable: Any) -> None:
        self._iterable = iterable
        self.length = _length(iterable)
        super().__init__(iter(()))

    def example(self) -> Any:
        """The first batch."""
        for batch in self._iterable:
            return batch
        raise ValueError("x yields no batches.")

    def tasks(self, shuffle: bool) -> Iterator[Any]:
        """The batches themselves, starting over."""
        return iter(self._iterable)


class Indexed(Once):
    """Batches of a `utils.PyDataset`, or of an object that behaves like one.

    Parameters
    ----------
    dataset : PyDataset
    """

    restarts = True

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.length = dataset.num_batches if hasattr(dataset, "num_batches") else _length(dataset)
        if self.length is not None and self.length < 1:
            raise ValueError(f"x is {a_type(dataset)} of {self.length} batches: it is empty.")
        self.workers = max(getattr(dataset, "workers", 1), 1)
        self.ahead = max(getattr(dataset, "max_queue_size", 0) or 10, self.workers)
        if getattr(dataset, "use_multiprocessing", False):
            warnings.warn(
                f"{type(dataset).__name__} asks for use_multiprocessing, which is not supported: threads of this "
                "process make its batches instead.",
                stacklevel=4,
            )
        super().__init__(iter(()))

    def example(self) -> Any:
        """The first batch."""
        return self._dataset[0]

    def tasks(self, shuffle: bool) -> Iterator[Any]:
        """The numbers of the batches, in order or shuffled."""
        if self.length is None:
            return itertools.count()
        order = random.generator().permutation(self.length).tolist() if shuffle else range(self.length)
        return iter(order)

    def batch(self, task: Any) -> Any:
        """The batch with this number."""
        return self._dataset[task]

    def begin(self) -> None:
        """Tell the dataset."""
        self._tell("on_epoch_begin")

    def end(self) -> None:
        """Tell the dataset."""
        self._tell("on_epoch_end")

    def _tell(self, name: str) -> None:
        method = getattr(self._dataset, name, None)
        if method is not None:
            method()


class Passes(Indexed):
    """Batches of a dataset that decides the order of its samples itself.

    Parameters
    ----------
    dataset : RowBatches
    """

    makes_new_arrays = True

    def tasks(self, shuffle: bool) -> Iterator[Any]:
        """The numbers of the samples in each batch. They are drawn here, before threads make batches."""
        tasks: Iterator[Any] = self._dataset.new_pass()
        return tasks

    def batch(self, task: Any) -> Any:
        """The batch of these samples."""
        return self._dataset.rows(task)

    def end(self) -> None:
        """Do nothing. If told, the dataset would draw a new order, even in the middle of a pass."""


class BatchSource(Source):
    """Batches of a dataset, made and checked by threads ahead of training.

    Parameters
    ----------
    dataset : Once
    class_weight : dict, optional
    steps : int, optional
        Batches in an epoch; all by default. With fewer, the next epoch continues where the last one stopped.
    shuffle : bool, default False
        Whether to shuffle the batches, if the dataset has numbered ones.
    epochs : int, default 1
        The number of epochs. No more batches are taken from an iterator than they need.
    at_once : int, default 1
        `steps_per_execution`.
    """

    batch_size: int | None = None

    @property
    def _argument(self) -> str:
        """The argument by which the user passed the dataset."""
        return "validation_data" if self.purpose == "validation" else "x"

    def __init__(
        self,
        dataset: Once,
        class_weight: Any = None,
        steps: int | None = None,
        shuffle: bool = False,
        epochs: int = 1,
        at_once: int = 1,
    ) -> None:
        if dataset.length is None and isinstance(dataset, Indexed) and steps is None:
            raise ValueError("x is an endless dataset: set the number of batches (steps_per_epoch or steps).")
        self._dataset, self._class_weight, self._shuffle, self.at_once = dataset, class_weight, shuffle, at_once
        self.steps = dataset.length if steps is None else steps
        self._steps = None if steps is None else whole_executions(steps, at_once)
        self._limit = None if self._steps is None or dataset.restarts else self._steps * epochs
        self._pass: Prefetch | None = None
        self._seen = 0  # batches in this pass
        self._found = False  # whether there has been any batch
        self._waiting: list[Samples] = []

    @property
    def example(self) -> Any:  # type: ignore[override]
        """Inputs of the first batch."""
        return _unpack(self._dataset.example())[0]

    def prepare(self, check: Check) -> None:
        """Do nothing: each batch is checked when it is made."""
        self._check = check

    def limit(self, steps: int | None, batch_size: int | None) -> None:
        """Set the maximum number of batches. The batch size is that of the dataset."""
        self._steps = None if steps is None else whole_executions(steps, self.at_once)

    def epoch(self) -> Iterator[Piece]:
        """The batches of an epoch, each as a piece."""
        self._dataset.begin()
        count = 0
        while self._steps is None or count < self._steps:
            samples = self._next()
            if samples is None and count == 0 and self._dataset.restarts:
                samples = self._next()  # the previous epoch ended with the last batch: start over
            if samples is None:
                self._at_end(count)
                break
            yield Piece(samples.data, None, 0, samples.size, samples.size)
            count += 1
        self._tell_of_lacking(CALLER[self.purpose])
        if self._steps is None or (self._dataset.length is not None and self._seen >= self._dataset.length):
            self.close()
        self._dataset.end()

    def sweep(self) -> Iterator[Piece]:
        """The batches of an evaluation. If the dataset can be iterated again, they start from the first one."""
        if self._dataset.restarts:
            self.close()
        return self.epoch()

    def _at_end(self, count: int) -> None:
        if not self._found:
            raise ValueError(f"{self._argument} yields no batches.")
        # The last execution may have fewer batches.
        missing = self._steps is not None and whole_executions(count, self.at_once) < self._steps
        if missing or count == 0:
            ran_out(CALLER[self.purpose] + 2, self.purpose)

    @property
    def exhausted(self) -> bool:
        """Whether an iterator has no more batches."""
        if self._dataset.restarts:
            return False
        if not self._waiting:
            self._waiting = [] if (samples := self._next()) is None else [samples]
        if not self._found:
            raise ValueError("x yields no batches.")
        return not self._waiting

    def _next(self) -> Samples | None:
        """The next batch, checked. ``None`` at the end of a pass; the next call starts over."""
        if self._waiting:
            return self._waiting.pop()
        if self._pass is None:
            self._seen = 0
            dataset = self._dataset
            tasks = dataset.tasks(self._shuffle)
            self._pass = Prefetch(tasks, self._make, dataset.workers, dataset.ahead, self._limit)
        try:
            samples: Samples = next(self._pass)
        except StopIteration:
            if self._dataset.restarts:
                self.close()
            return None
        except Exception as error:
            error.add_note(f"This happened in batch {self._seen} of {self._argument}, counted from 0.")
            raise
        self._seen += 1
        self._found = True
        self._look_for_targets(samples)
        return samples

    def _make(self, task: Any) -> Samples:
        batch = self._dataset.batch(task)
        try:
            x, y, sample_weight = _unpack(batch)
            samples: Samples = self._check(x, y, sample_weight, self._class_weight)
            return samples if self._dataset.makes_new_arrays else samples.copied()
        except NotFiniteError:
            raise
        except (TypeError, ValueError) as error:
            error.add_note(
                f"The batch is {_described(batch)}, but must be a tuple (x, y) or (x, y, sample_weight), or x alone, "
                "each with an axis for the samples. For several inputs, x is a list or dict."
            )
            raise

    def close(self) -> None:
        """End the threads of this pass."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None


def _unpack(batch: Any) -> tuple[Any, Any, Any]:
    """Split a batch into (x, y, sample_weight). A batch is a tuple or list of up to three, or x alone."""
    if not isinstance(batch, (tuple, list)):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"A batch must be a tuple (x,), (x, y) or (x, y, sample_weight), but got {type(batch).__name__} "
            f"of {len(batch)}."
        )
    x, y, sample_weight = (*batch, None, None)[:3]
    return x, y, sample_weight


def _described(value: Any, depth: int = 2) -> str:
    """A short description of the types and shapes in a value."""
    if isinstance(value, (list, tuple, dict)) and depth and len(value) <= MOST_DESCRIBED:
        pairs = value.items() if isinstance(value, dict) else [(None, item) for item in value]
        items = [("" if key is None else f"{key!r}: ") + _described(item, depth - 1) for key, item in pairs]
        return f"{with_article(type_name(value))} ({', '.join(items)})"
    shape = getattr(value, "shape", None)
    return with_article(type_name(value)) + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def _length(dataset: Any) -> int | None:
    """The number of batches, or ``None`` if unknown. The `len` of a DataLoader over an endless stream raises."""
    try:
        return len(dataset)
    except TypeError:
        return None
