"""JupyterLab for the tests of the instruments in notebooks."""

import nbformat
import pytest
from browser_helpers import WATCH, find_instruments, no_front_end_error

from tools import browser
from tools.browser import NOTEBOOK


@pytest.fixture
def lab(page, jupyter_lab, request):
    """A function that opens and runs a notebook of these cells in JupyterLab: its instruments."""
    folder, address = jupyter_lab
    page.set_viewport_size({"width": 1200, "height": 900})
    page.add_init_script(WATCH)

    def run(source, wanted=1):
        path = folder / f"{request.node.name.replace('/', '-')}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook.metadata["kernelspec"] = kernel
        nbformat.write(notebook, path)
        # While it starts, JupyterLab may log an error of its own; so errors count from here on
        browser.open_notebook(page, address.format(path.name))
        with no_front_end_error(page):
            browser.run_all(page)
            found = find_instruments(page)
            assert len(found) >= wanted, f"{len(found)} instruments were found, not {wanted}"
        return found

    yield run
    page.evaluate(f"() => window.jupyterapp && {NOTEBOOK}?.sessionContext.shutdown()")
