"""The web page of a trace: a single file that needs no internet."""

from cbackprop.trace.page.write import check_page_path, page_of, write_page

__all__ = ["check_page_path", "page_of", "write_page"]
