"""The core that stands beside the nodes, under its one name.

ComfyUI imports a pack under the name of its folder, and knows nothing of the packages in it. The core goes by
`starflow_core` all the same, so that there is never a second copy of it, whoever else imports it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

CORE = "starflow_core"


def import_core() -> None:
    """Make `import starflow_core` find the package beside this one, where nothing else has imported one before."""
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
