"""Draw docs/inspection.jpg: defects and where they are found, by the models that `python -m benchmarks.train` left.

`save_inspection_pictures.py [FOLDER]`, the folder of that benchmark. The defects are the first of each kind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from benchmarks.train.sets import Set, cloth, textiles
from starflow_core.images import as_rgb
from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.heatmap import heatmap
from starflow_core.weights.model_folder import load

TARGET = Path("docs/inspection.jpg")
SIDE, GAP = 250, 6  # pixels
RANGE = (0.0, 6.0)  # standard deviations, as `starflow anomaly score --map-dir` draws them


def main() -> None:
    folder = Path(sys.argv[1] if sys.argv[1:] else "build/benchmarks")
    columns = [
        *_found(textiles(folder / "textiles"), folder / "textiles"),
        *_found(cloth(folder / "cloth", 1), folder / "cloth"),
    ]
    sheet = Image.new("RGB", (len(columns) * (SIDE + GAP) - GAP, 2 * SIDE + GAP), "white")
    for number, (picture, where) in enumerate(columns):
        for row, image in enumerate((picture, where)):
            sheet.paste(image, (number * (SIDE + GAP), row * (SIDE + GAP)))
    sheet.save(TARGET, quality=90)
    print(TARGET)


def _found(pictures: Set, folder: Path) -> list[tuple[Image.Image, Image.Image]]:
    """The first defect of each kind, and its heatmap."""
    scorer = Anomaly.load(folder / "scorer.safetensors", load(folder / "model", device="cpu"))
    found = []
    for kind, (first, *_) in pictures.odd.items():
        picture, oddity = as_rgb(first), scorer.score(first)
        print(f"{kind}: score {oddity.score:.1f}, {oddity.parts}")
        where = heatmap(oddity.map, picture.size, RANGE)
        found.append((_shown(picture), _shown(where)))
    return found


def _shown(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
