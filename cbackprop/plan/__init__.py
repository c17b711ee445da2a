"""From a graph of layers to a list of steps over numbered buffers."""
