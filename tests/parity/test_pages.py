"""The programs on pages of the documentation that need an extra run; the others are run by tests/test_pages.py."""

import pages
import pytest


@pytest.mark.parametrize("page", [page for page in pages.PAGES if pages.extras(page)], ids=lambda page: page.stem)
def test_page(page, tmp_path):
    pages.run(page, tmp_path)
