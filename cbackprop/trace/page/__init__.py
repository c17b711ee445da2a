"""The web page of a trace: one file, which asks no network for anything."""

from cbackprop.trace.page.write import write_page

__all__ = ["write_page"]
