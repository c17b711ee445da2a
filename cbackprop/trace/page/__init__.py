"""The web page of a trace: one file, which asks no network for anything."""

from cbackprop.trace.page.write import check_page_path, page_of, write_page

__all__ = ["check_page_path", "page_of", "write_page"]
