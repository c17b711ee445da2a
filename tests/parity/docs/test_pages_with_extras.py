"""The programs on pages of the documentation that need an extra run; the others are run by tests/docs/test_pages.py."""

import pages
import pytest

# Run by test_pages_of_files.py, which also looks at what comes out.
OTHERS = {"weights", "plotting"}

HERE = [page for page in pages.PAGES if pages.extras(page) and page.stem not in OTHERS]


@pytest.mark.parametrize("page", HERE, ids=lambda page: page.stem)
def test_page(page, tmp_path):
    pages.run(page, tmp_path)
