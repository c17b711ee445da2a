"""Callbacks for the training of estimators: update attributes and learning rate after each epoch, decide to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cbackprop.callbacks import Callback

__all__ = ["FullBatchRule", "Rule"]

# An adaptive learning rate is not lowered below this.
LEAST_RATE = 1e-6
# A full-batch step must reduce the loss by this fraction of the loss (or of 1): the default of SciPy's L-BFGS-B.
LEAST_CHANGE = 2.220446049250313e-09


class Rule(Callback):
    """Do at the end of each epoch what scikit-learn does.

    Parameters
    ----------
    estimator : BaseMLP
        Its attributes are updated after each epoch, so that they are correct if training is interrupted.
    samples : int
        The number of samples in an epoch.
    score : callable, optional
        Returns the score of the validation data.
    shown : callable
        Turns the loss of an epoch into the one that is reported.
    """

    def __init__(
        self,
        estimator: Any,
        samples: int,
        score: Callable[[], float] | None,
        shown: Callable[[dict[str, Any]], float],
    ) -> None:
        self.estimator, self.samples, self.score, self.shown = estimator, samples, score, shown
        self.best_weights: Any = None
        self._by_score = bool(estimator.early_stopping)
        self._keeps_best = self._by_score or estimator.restore_best_weights
        if score is not None and estimator.validation_scores_ is None:
            estimator.validation_scores_, estimator.best_validation_score_ = [], -math.inf

    def complaint(self, epochs: int) -> str | None:
        """The warning for a training that ended without converging; ``None`` if it has converged."""
        if self.model.stop_training or self.estimator.n_iter_ < self.estimator.max_iter:
            return None
        return f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and the optimization hasn't converged yet."

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the loss and the score, and decide whether to continue."""
        estimator = self.estimator
        logs = {} if logs is None else logs
        loss = estimator.loss_ = self.shown(logs)
        estimator.n_iter_ += 1
        estimator.t_ += self.samples
        estimator.loss_curve_.append(loss)
        self._tell(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        score = None if self.score is None else self.score()
        if score is not None:
            logs["val_score"] = score  # for later callbacks
            self._note(score)
        self._judge(loss, score)
        if estimator.learning_rate == "invscaling" and estimator.solver == "sgd":
            self.model.optimizer.learning_rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._no_way_on()

    def _note(self, score: float) -> None:
        """Record a score."""
        self.estimator.validation_scores_.append(score)
        self._tell(f"Validation score: {score:f}")

    def _judge(self, loss: float, score: float | None) -> None:
        """Compare the loss, or the score, with the best one so far."""
        estimator = self.estimator
        if self._by_score:
            better_by_tol = not score < estimator.best_validation_score_ + estimator.tol
        else:
            better_by_tol = not loss > estimator.best_loss_ - estimator.tol
        estimator._no_improvement_count = 0 if better_by_tol else estimator._no_improvement_count + 1
        best_score = score is not None and score > estimator.best_validation_score_
        if best_score:
            estimator.best_validation_score_ = score
        best_loss = not self._by_score and loss < estimator.best_loss_
        if best_loss:
            estimator.best_loss_ = loss
        if self._keeps_best and (best_loss if score is None else best_score):
            self.best_weights = self.model.get_weights()

    def _no_way_on(self) -> None:
        """Stop, or continue with a fifth of the learning rate."""
        estimator, optimizer = self.estimator, self.model.optimizer
        watched = "Validation score" if self._by_score else "Training loss"
        message = (
            f"{watched} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
            "consecutive epochs."
        )
        if estimator.learning_rate == "adaptive" and estimator.solver == "sgd":
            if optimizer.learning_rate > LEAST_RATE:
                optimizer.learning_rate /= 5.0
                estimator._no_improvement_count = 0
                self._tell(f"{message} Setting learning rate to {optimizer.learning_rate:f}")
                return
            message += " Learning rate too small."
        self.model.stop_training = True
        self._tell(f"{message} Stopping.")

    def _tell(self, message: str) -> None:
        if self.estimator.verbose:
            print(message)


class FullBatchRule(Callback):
    """Update the estimator after each step of an optimizer that uses all samples.

    Parameters
    ----------
    estimator : BaseMLP
        The scores of validation data are stored in its attributes.
    score : callable, optional
        Returns the score of the validation data.
    shown : callable
        Turns the loss of a step into the one that is reported.
    """

    def __init__(
        self, estimator: Any, score: Callable[[], float] | None, shown: Callable[[dict[str, Any]], float]
    ) -> None:
        self.estimator, self.score, self.shown = estimator, score, shown
        self.best_weights: Any = None
        self._exhausted = False  # whether training stopped because of max_fun
        self._before: float | None = None
        self._steps_without_better = 0
        if score is not None:
            estimator.validation_scores_, estimator.best_validation_score_ = [], -math.inf

    def complaint(self, epochs: int) -> str | None:
        """The warning for a training that ended without converging; ``None`` if it has converged."""
        if self.model.stop_training and not self._exhausted:
            return None
        reached = "max_fun function calls" if self._exhausted else "max_iter iterations"
        estimator = self.estimator
        return (
            f"{estimator.solver} failed to converge after {estimator.n_iter_} iteration(s): {reached} reached. "
            "Increase the number, or scale the data: https://scikit-learn.org/stable/modules/preprocessing.html"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the loss and the score, and stop if one of them no longer improves."""
        estimator, optimizer = self.estimator, self.model.optimizer
        logs = {} if logs is None else logs
        loss = logs["loss"]
        estimator.loss_ = self.shown(logs)
        estimator.n_iter_ += 1
        self._tell(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if self.score is not None:
            logs["val_score"] = self.score()  # for later callbacks
            self._judge(logs["val_score"])
        before, self._before = self._before, loss
        flat = before is not None and before - loss <= LEAST_CHANGE * max(abs(before), abs(loss), 1.0)
        no_better = estimator.early_stopping and self._steps_without_better > estimator.n_iter_no_change
        if optimizer.converged or flat or no_better:
            self.model.stop_training = True
        elif getattr(optimizer, "evaluations", 0) >= estimator.max_fun:
            self._exhausted = self.model.stop_training = True

    def _judge(self, score: float) -> None:
        """Record a score, and save the weights if it is the best so far."""
        estimator = self.estimator
        estimator.validation_scores_.append(score)
        self._tell(f"Validation score: {score:f}")
        worse = score < estimator.best_validation_score_ + estimator.tol
        self._steps_without_better = self._steps_without_better + 1 if worse else 0
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            if estimator.early_stopping or estimator.restore_best_weights:
                self.best_weights = self.model.get_weights()

    def _tell(self, message: str) -> None:
        if self.estimator.verbose:
            print(message)
