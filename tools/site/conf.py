"""How Sphinx writes the site."""

from docutils import nodes
from sphinx.util import logging

from tools import home
from tools.slides.text import mathml

project = html_title = "LatentLab"
author = "LatentLab"
extensions = ["myst_nb"]
root_doc = "course"  # the index is the page of instruments
exclude_patterns = ["jupyter_execute"]
smartquotes = False  # text stands as it was written, and so does --this

nb_execution_mode = "off"  # the outputs are the saved ones
nb_render_markdown_format = "myst"  # what a cell shows as Markdown is a table
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

html_theme = "furo"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {"announcement": "yes", "top_of_page_buttons": []}  # page.html says what it announces
html_static_path, templates_path = ["static"], ["templates"]
html_css_files, html_js_files = ["formulas.css", "site.css"], ["site.js"]
html_show_sourcelink = html_copy_source = html_use_index = html_show_copyright = False


def formula(self, node: nodes.Node) -> None:
    """As MathML, which browsers draw by themselves: nothing to fetch, and screen readers know it."""
    block = isinstance(node, nodes.math_block)
    made = mathml(node.astext(), "block" if block else "inline")
    if "\\" in made:
        logging.getLogger(__name__).warning("this formula isn't understood: %s", node.astext())
    self.body.append(f'<div class="formula">{made}</div>' if block else made)
    raise nodes.SkipNode


def doors(app, page: str, template: str, context: dict, doctree) -> None:
    """Where a notebook can be run, for page.html; without an address there is only its file."""
    if not page.startswith("notebooks/"):
        return
    path, address = page + ".ipynb", context["home"]
    context["notebook"] = path.rpartition("/")[2]
    if address:
        context["launch"] = {"Colab": home.colab(address, path), "Binder": home.binder(address, path)}


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.connect("html-page-context", doors)
