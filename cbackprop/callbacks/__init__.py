"""Callbacks: code that runs at certain moments of training, evaluation and prediction."""

from cbackprop.absent import explain
from cbackprop.callbacks.backup_and_restore import BackupAndRestore
from cbackprop.callbacks.callback import Callback
from cbackprop.callbacks.callback_list import CallbackList
from cbackprop.callbacks.csv_logger import CSVLogger
from cbackprop.callbacks.early_stopping import EarlyStopping
from cbackprop.callbacks.history import History
from cbackprop.callbacks.lambda_callback import LambdaCallback
from cbackprop.callbacks.learning_rate_scheduler import LearningRateScheduler
from cbackprop.callbacks.model_checkpoint import ModelCheckpoint
from cbackprop.callbacks.monitor_callback import MonitorCallback
from cbackprop.callbacks.progbar_logger import ProgbarLogger
from cbackprop.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from cbackprop.callbacks.swap_ema_weights import SwapEMAWeights
from cbackprop.callbacks.tensorboard import TensorBoard
from cbackprop.callbacks.terminate_on_nan import TerminateOnNaN
from cbackprop.callbacks.trace import Trace

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
    "Trace",
]


explain(__name__)
