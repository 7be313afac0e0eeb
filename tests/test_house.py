"""The house: no circles of imports in the core, which knows neither of its front ends; CI finds its way in it."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import starflow_core

ROOT = Path(__file__).parent.parent
CORE = Path(starflow_core.__file__).parent
NAMED_FILE = re.compile(r"(?<![\w/])(?:tests|recipes|tools|benchmarks)/[\w/.*-]+")
FRONT_ENDS = {"comfy", "comfy_api", "folder_paths", "gradio", "nodes", "demo", "recipes"}


def name_of(path: Path) -> str:
    parts = path.relative_to(CORE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in CORE.rglob("*.py")}


def imports_of(module: str) -> set[str]:
    """What a module imports anywhere in it, in functions and for types as well."""
    path, found = MODULES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
            source = base if node.level else str(node.module)
            inside = {f"{source}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= inside or {source}
    return found


def test_no_module_imports_in_a_circle() -> None:
    root = "starflow_core"  # the door, which names all and imports none by itself
    graph = {module: (imports_of(module) & set(MODULES)) - {root, module} for module in MODULES if module != root}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES) - 1


def test_core_knows_no_front_end() -> None:
    assert {module for module in MODULES if {name.split(".")[0] for name in imports_of(module)} & FRONT_ENDS} == set()


def test_files_that_ci_names_are_there() -> None:
    named: set[str] = set()
    for script in filter(Path.is_file, (ROOT / ".ci").iterdir()):
        named |= set(NAMED_FILE.findall(script.read_text(encoding="utf-8")))
    assert "tests/codecs/test_t5.py" in named
    assert not [name for name in named if not list(ROOT.glob(name))]
