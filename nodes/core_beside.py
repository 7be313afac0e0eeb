"""`import starflow_core` inside ComfyUI.

ComfyUI imports a pack under the name of its folder, and does not find the packages in it. The core keeps its name
`starflow_core`, so other packs that import it share one copy.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

CORE = "starflow_core"


def import_core() -> None:
    """Make `import starflow_core` find the package beside this one, unless one is imported already."""
    if CORE in sys.modules:
        return
    folder = Path(__file__).resolve().parent.parent / CORE
    spec = importlib.util.spec_from_file_location(
        CORE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[CORE] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
