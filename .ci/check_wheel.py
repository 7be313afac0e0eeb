"""Check what a wheel holds: `check_wheel.py WHEEL`. The core with its embedded models, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from release import ROOT, version


def main() -> None:
    wheel = Path(sys.argv[1])
    information = f"starflow-{version()}.dist-info/"
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(information)}
    tracked = subprocess.check_output(["git", "ls-files", "starflow_core"], cwd=ROOT, text=True).split("\n")
    wanted = {name for name in tracked if name}
    for what, names in (("lacks", wanted - held), ("also holds", held - wanted)):
        if names:
            raise SystemExit(f"{wheel.name} {what}: {', '.join(sorted(names))}")
    print(f"{wheel.name}: {len(held)} files, {wheel.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
