"""Layers, the building blocks of a network."""

from typing import Any

from cbackprop.absent import explain
from cbackprop.layers.activation import ELU, Activation, ActivationLayer, LeakyReLU, ReLU, Softmax
from cbackprop.layers.activity_regularization import ActivityRegularization
from cbackprop.layers.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from cbackprop.layers.additive_attention import AdditiveAttention
from cbackprop.layers.alpha_dropout import AlphaDropout
from cbackprop.layers.arithmetic import Absolute, Power, TrueDivide
from cbackprop.layers.attention import Attention
from cbackprop.layers.batch_normalization import BatchNormalization
from cbackprop.layers.bidirectional import Bidirectional
from cbackprop.layers.concatenate import Concatenate
from cbackprop.layers.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from cbackprop.layers.convolution import (
    Conv1D,
    Conv2D,
    Conv3D,
    Convolution1D,
    Convolution2D,
    Convolution3D,
)
from cbackprop.layers.cropping import CenterCrop, Cropping1D, Cropping2D, Cropping3D
from cbackprop.layers.dense import Dense
from cbackprop.layers.depthwise_convolution import DepthwiseConv1D, DepthwiseConv2D
from cbackprop.layers.discretization import Discretization
from cbackprop.layers.dot import Dot
from cbackprop.layers.dropout import Dropout
from cbackprop.layers.einsum_dense import EinsumDense
from cbackprop.layers.embedding import Embedding
from cbackprop.layers.get_item import GetItem
from cbackprop.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from cbackprop.layers.group_query_attention import GroupQueryAttention
from cbackprop.layers.gru import GRU, GRUCell
from cbackprop.layers.input import Input, InputLayer
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.lstm import LSTM, LSTMCell
from cbackprop.layers.masking import Masking
from cbackprop.layers.merge_functions import (
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from cbackprop.layers.merging import Add, Average, Maximum, Merge, Minimum, Multiply, Subtract
from cbackprop.layers.multi_head_attention import MultiHeadAttention
from cbackprop.layers.noise import GaussianDropout, GaussianNoise
from cbackprop.layers.normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from cbackprop.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from cbackprop.layers.prelu import PReLU
from cbackprop.layers.preprocessing import CategoryEncoding, Normalization, Rescaling
from cbackprop.layers.python_layer import Lambda
from cbackprop.layers.random_affine import RandomRotation, RandomShear, RandomTranslation, RandomZoom
from cbackprop.layers.random_color import RandomBrightness, RandomContrast
from cbackprop.layers.random_crop import RandomCrop
from cbackprop.layers.random_flip import RandomFlip
from cbackprop.layers.reshaping import Flatten, Identity, Permute, RepeatVector, Reshape
from cbackprop.layers.resizing import Resizing
from cbackprop.layers.reversible_embedding import ReversibleEmbedding
from cbackprop.layers.rnn import RNN
from cbackprop.layers.separable_convolution import (
    SeparableConv1D,
    SeparableConv2D,
    SeparableConvolution1D,
    SeparableConvolution2D,
)
from cbackprop.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from cbackprop.layers.spatial_dropout import SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from cbackprop.layers.stacked_rnn_cells import StackedRNNCells
from cbackprop.layers.time_distributed import TimeDistributed
from cbackprop.layers.transposed_convolution import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    Convolution1DTranspose,
    Convolution2DTranspose,
    Convolution3DTranspose,
)
from cbackprop.layers.up_sampling import UpSampling1D, UpSampling2D, UpSampling3D
from cbackprop.layers.wrapper import Wrapper
from cbackprop.layers.zero_padding import ZeroPadding1D, ZeroPadding2D, ZeroPadding3D

# Other names of Keras for the same.
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Absolute",
    "Activation",
    "ActivationLayer",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GetItem",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Merge",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "Power",
    "RMSNormalization",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "ReversibleEmbedding",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "TrueDivide",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "registry",
    "serialize",
    "subtract",
]


def serialize(layer: Any) -> Any:
    """Describe a layer by plain values, which `deserialize` turns back into a layer."""
    return registry.serialize(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the layer that `serialize` described."""
    return registry.deserialize(config, custom_objects)


explain(__name__)
