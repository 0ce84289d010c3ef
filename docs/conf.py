import hashlens
from hashlens.version import __version__

project = "hashlens"
author = "The hashlens developers"
copyright = "The hashlens developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"hashlens {release}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_ivar = True
# Sphinx looks attributes such as `labels` up everywhere, and several classes have them.
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give shapes and dtypes, which say more
autodoc_default_options = {"members": True, "show-inheritance": True}


def skip_public_name(app, what, name, item, skip, options):
    """Leave what ``import hashlens`` gives to the page of the package, so that nothing has two entries."""
    if name.startswith("set_") and name.endswith("_request"):  # scikit-learn gives them to every estimator
        return True
    elsewhere = app.env.docname != "reference/hashlens"
    return True if elsewhere and name in hashlens.__all__ and item is getattr(hashlens, name) else None


def setup(app):
    app.connect("autodoc-skip-member", skip_public_name)
