"""Values that JSON can hold: ways into them, and random ones to put there."""

from hypothesis import strategies as st

ANY = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)


def paths(value, path=()):
    """The paths of keys and indices to the value itself and to all values inside of it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))
