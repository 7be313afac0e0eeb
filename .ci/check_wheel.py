"""Check what a wheel holds: `check_wheel.py WHEEL`. The core with its embedded models, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from release import ROOT, version


def main() -> None:
    wheel = Path(sys.argv[1])
    information = f"starflow-{version()}.dist-info/"
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(information)}
    files = (path for path in (ROOT / "starflow_core").rglob("*") if path.is_file() and path.suffix != ".pyc")
    wanted = {path.relative_to(ROOT).as_posix() for path in files}
    for what, names in (("lacks", wanted - held), ("also holds", held - wanted)):
        if names:
            raise SystemExit(f"{wheel.name} {what}: {', '.join(sorted(names))}")
    print(f"{wheel.name}: {len(held)} files, {wheel.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
