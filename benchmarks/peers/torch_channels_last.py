"""PyTorch on images whose channels are last in memory, which is often faster."""

from __future__ import annotations

from peers import torch_images

TITLE = "PyTorch channels-last"
PACKAGES = torch_images.PACKAGES
set_threads = torch_images.set_threads


class Training(torch_images.Training):
    channels_last = True


class Inference(torch_images.Inference):
    channels_last = True
