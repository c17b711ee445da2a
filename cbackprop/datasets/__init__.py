"""Data sets for examples. They need no network connection; data is read when `load_data` is called.

=================  =====================================================  ==========================
module             data of `load_data`                                    source
=================  =====================================================  ==========================
``digits``         1,797 handwritten digits of 8 x 8 pixels, 10 classes   bundled
``fashion_mnist``  70,000 articles of clothing, 28 x 28, 10 classes       files on the user's disk
``mnist``          70,000 handwritten digits, 28 x 28, 10 classes         files on the user's disk
``xor``            the exclusive or, exact or with noise                  computed
``spirals``        two spirals wound round each other, 2 classes          computed
=================  =====================================================  ==========================

`read_idx` reads any file in the IDX format, which is that of MNIST and similar data sets. For folders of images see
`utils.image_dataset_from_directory`.
"""

from cbackprop.absent import explain
from cbackprop.datasets import digits, fashion_mnist, mnist, spirals, xor
from cbackprop.datasets.idx import read_idx

__all__ = ["digits", "fashion_mnist", "mnist", "read_idx", "spirals", "xor"]


explain(__name__)
