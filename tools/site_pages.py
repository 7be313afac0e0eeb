"""Pages of the documentation's site that do not lie in docs/: a hook of MkDocs, see mkdocs.yml.

They are README.md, the change log, the models' cards, the nodes' help, the notebooks, which are run, and a page of
reference for each room of `starflow_core`. Links between files of the repository become links between pages.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

import starflow_core

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "starflow_core"
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
ROOM_ITSELF = "    options: { members: false, show_root_heading: false, show_root_toc_entry: false }"
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def sources() -> dict[str, str]:
    """What is taken from outside docs/: each file of the repository, and its place in the site."""
    found = {
        "README.md": "index.md",
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "LICENSE": "LICENSE.txt",
        "NOTICE": "NOTICE.txt",
    }
    for path in sorted(CORE.glob("models/*/README.md")):
        found[str(path.relative_to(ROOT))] = f"models/{path.parent.name}.md"
    for path in sorted((ROOT / "web" / "docs").glob("*.md")):
        found[str(path.relative_to(ROOT))] = f"nodes/{path.name}"
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found[str(path.relative_to(ROOT))] = f"notebooks/{path.stem}.md"
    return found


SOURCES = sources()
PLACES = {place: source for source, place in SOURCES.items()}


@cache
def run_notebook(path: Path, modified: float) -> tuple[str, dict[str, bytes]]:
    """A notebook, run from top to bottom, as Markdown and its pictures by name; once, until it is `modified` again.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    ExecutePreprocessor(timeout=None, startup_timeout=600).preprocess(
        notebook, {"metadata": {"path": str(path.parent)}}
    )
    for cell in notebook.cells:  # what libraries warn of is not the reader's
        cell["outputs"] = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    resources = {"unique_key": path.stem, "output_files_dir": path.stem}
    text, found = MarkdownExporter().from_notebook_node(notebook, resources)
    return text, found["outputs"]


def rooms() -> dict[str, list[str]]:
    """The modules of each room of the core, by the room's name; those of no room are "starflow_core" itself's."""
    found: dict[str, list[str]] = {"starflow_core": []}
    for path in sorted(CORE.rglob("*.py")):
        module = path.relative_to(ROOT).with_suffix("").parts
        if path.name not in ("__init__.py", "__main__.py"):
            room = module[0] if len(module) == 2 else module[1]  # also for rooms within it
            found.setdefault(room, []).append(".".join(module))
    return found


def reference() -> dict[str, str]:
    """Pages of reference: what the package exports, then one for each room."""
    pages = {}
    for room, modules in rooms().items():
        module, place = f"starflow_core.{room}", f"reference/{room}.md"
        if room == "starflow_core":
            module, place = room, "reference/index.md"
        parts = [f"# {room}", f"::: {module}\n{ROOM_ITSELF}", *(f"::: {module}" for module in modules)]
        if room == "starflow_core":
            parts.insert(2, exports())
        pages[place] = "\n\n".join(parts) + "\n"
    return pages


def exports() -> str:
    """The names that the package exports, each with a link to its place."""
    homes = sorted(starflow_core._HOMES.items())
    return "\n".join(["It exports", "", *(f"- [{name}][starflow_core.{home}.{name}]" for name, home in homes)])


def pages(config: MkDocsConfig) -> list[File]:
    """All that is added to docs/."""
    found = [File.generated(config, place, content=text) for place, text in reference().items()]
    for source, place in SOURCES.items():
        if source.endswith(".ipynb"):
            text, pictures = run_notebook(ROOT / source, (ROOT / source).stat().st_mtime)
            found += [File.generated(config, f"notebooks/{name}", content=data) for name, data in pictures.items()]
        else:
            text = FRONT_MATTER.sub("", (ROOT / source).read_text(encoding="utf-8"))
        found.append(File.generated(config, place, content=text))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for file in pages(config):
        files.append(file)
    config.nav = [expand(entry, files) for entry in config.nav or []]
    return files


def expand(entry: object, files: Files) -> object:
    """An entry of `nav`, with `folder/*` as the pages of that folder."""
    if isinstance(entry, dict):
        return {title: expand(below, files) for title, below in entry.items()}
    if isinstance(entry, list):
        parts = [expand(part, files) for part in entry]
        return [page for part in parts for page in (part if isinstance(part, list) else [part])]
    if isinstance(entry, str) and entry.endswith("/*"):
        return sorted(file.src_uri for file in files.documentation_pages() if file.src_uri.startswith(entry[:-1]))
    return entry


def place_of(source: str) -> str | None:
    """Where in the site a file of the repository is; None where it is not."""
    if source.startswith("starflow_core/") and source.endswith(".py"):
        room = Path(source).parent.name
        page = "index" if room == "starflow_core" else room
        return f"reference/{page}.md#{source.removesuffix('.py').replace('/', '.')}"
    return SOURCES.get(source, source.removeprefix("docs/") if source.startswith("docs/") else None)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    here = page.file.src_uri
    source = PLACES.get(here, f"docs/{here}")
    if page.parent is None:  # a column of one entry says nothing
        page.meta["hide"] = ["navigation"]

    def moved(link: re.Match[str]) -> str:
        target = place_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), link[0])))
        return link[0] if target is None else posixpath.relpath(target, posixpath.dirname(here) or ".")

    return LINK.sub(moved, markdown)
