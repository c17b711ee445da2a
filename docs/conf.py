"""The documentation site, made by ``sphinx-build -W --keep-going -b html docs site``."""

import sys
from pathlib import Path

import cbackprop

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "cbackprop"
author = "the cbackprop developers"
copyright = author
version = release = cbackprop.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "absent_data",
    "formulas",
    "links",
    "reference",
    "traces",
]
exclude_patterns = ["gallery/*"]
suppress_warnings = ["config.cache"]  # sphinx-gallery's settings hold functions

# Names in single backquotes link to what they name, where that is documented.
default_role = "py:obj"
highlight_language = "text"

autodoc_typehints = "none"  # the docstrings say the types, and what they mean
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "copyfile_regex": r"(?!)",
    "reset_modules": ("matplotlib",),
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_",),  # what a plot returns says nothing to a reader
}

html_theme_options = {
    "navigation_with_keys": False,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}  # the start page has all sections above it
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = f"cbackprop {release}"
html_copy_source = False
