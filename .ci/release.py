"""What a release needs: `release.py check v0.2.0` before it, `release.py stamp` for the ComfyUI registry.

`starflow_core.__version__` is the only place of the version. ComfyUI-Manager and comfy-cli want it as text in the
pack's pyproject.toml; `stamp` writes it there, in the copy that is published.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## (\S+)(.*)$", re.MULTILINE)


def version() -> str:
    """`starflow_core.__version__`, read without importing anything."""
    for node in ast.parse((ROOT / "starflow_core" / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise SystemExit("starflow_core/__init__.py sets no __version__.")


def newest() -> tuple[str, str]:
    """The newest heading of CHANGELOG.md: its version, and what follows it, such as a date."""
    heading = HEADING.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if heading is None:
        raise SystemExit("CHANGELOG.md has no heading such as ## 0.2.0 (2026-11-25).")
    return heading[1], heading[2].strip()


def check(tag: str) -> None:
    """Refuse a tag that does not fit the version and the change log."""
    logged, date = newest()
    if not tag == f"v{version()}" == f"v{logged}":
        raise SystemExit(f"The tag is {tag}, starflow_core's version {version()}, CHANGELOG.md's {logged}.")
    if not re.fullmatch(r"\(\d{4}-\d\d-\d\d\)", date):
        raise SystemExit(
            f"CHANGELOG.md says {date or 'nothing'} where the date of {logged} belongs, as in (2026-11-25)."
        )


def stamped(pyproject: str) -> str:
    """`pyproject`, its version as text.

    Raises:
        SystemExit: it does not read its version from the package.
    """
    text, count = re.subn(r'^dynamic = \["version"\].*$', f'version = "{version()}"', pyproject, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit('pyproject.toml needs one line dynamic = ["version"].')
    return text


def main() -> None:
    match sys.argv[1:]:
        case ["check", tag]:
            check(tag)
        case ["stamp"]:
            path = ROOT / "pyproject.toml"
            path.write_text(stamped(path.read_text(encoding="utf-8")), encoding="utf-8")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
