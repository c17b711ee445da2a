from cbackprop.compiled import variant_path

__path__ = variant_path(__name__, __path__)
