"""Put what was measured between a page's marks."""

from __future__ import annotations

import re
from pathlib import Path

from latentlab_helpers.files import write_whole


def quote(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->``, which must be there."""
    pattern = re.compile(rf"(<!-- {name} -->\n)(?:.*\n)?(<!-- /{name} -->)", re.S)
    whole, found = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", page.read_text("utf-8"))
    if not found:
        raise ValueError(f"{page.name} has no marks <!-- {name} --> to write between")
    write_whole(page, whole)
