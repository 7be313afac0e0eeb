"""Print a command of README.md, so that CI runs what people read: `readme_command.py first [README.md]`.

The command is the fenced bash block below the comment `<!-- ci: first command -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def command(readme: str, name: str) -> str:
    """The command marked with `name`."""
    marker = f"<!-- ci: {name} command -->"
    blocks = re.findall(rf"^{re.escape(marker)}\s*^```bash\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    if len(blocks) != 1 or not blocks[0].strip():
        raise SystemExit(f"README.md needs one ```bash block below {marker}; found {len(blocks)}.")
    return blocks[0].strip()


if __name__ == "__main__":
    name, *path = sys.argv[1:]
    print(command(Path(*path or ["README.md"]).read_text(encoding="utf-8"), name))
