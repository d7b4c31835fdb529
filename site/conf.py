"""How Sphinx makes the pages of the site: `site/build.py` puts it beside them."""

project = "hfedu"
author = copyright = "The hfedu authors"  # noqa: A001 - Sphinx calls it so
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "image/svg+xml", 1)]
nb_ipywidgets_js = {}
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "hfedu"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_copy_source = False
exclude_patterns = ["runs"]
