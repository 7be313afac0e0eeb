"""The table of checkpoints against what the published names say."""

from __future__ import annotations

import pytest
import torch

from starflow_core.codecs.classes import Classes
from starflow_core.flow.config import TarFlowConfig
from starflow_core.flow.tarflow import TarFlow
from starflow_core.weights.published import TARFLOW_NAME
from starflow_core.weights.table import CHECKPOINTS, Checkpoint, imagenet_classes

SIDES = {"256": 256, "128": 128, "64": 64}
TARFLOWS = [checkpoint for name, checkpoint in CHECKPOINTS.items() if name.startswith("tarflow-")]


@pytest.mark.parametrize("checkpoint", TARFLOWS, ids=lambda checkpoint: checkpoint.name)
def test_noise_size_and_parameters_are_those_of_the_published_name(checkpoint: Checkpoint) -> None:
    (file,) = checkpoint.parts[0].files
    match = TARFLOW_NAME.search(file.name)
    assert match is not None
    patch, width, blocks, layers = (int(number) for number in match.groups()[:4])
    side = next(side for ending, side in SIDES.items() if ending in checkpoint.name)
    with torch.device("meta"):
        flow = TarFlow(TarFlowConfig(3, side, patch, width, blocks, layers, num_classes=len(checkpoint.classes)))
    assert checkpoint.noise_std == float(match[5])
    assert checkpoint.parameters == sum(parameter.numel() for parameter in flow.parameters())
    masks = blocks * flow.config.trained_side**4
    assert file.size == pytest.approx(4 * (checkpoint.parameters + masks), rel=0.01)
    assert f"{side}×{side} pixels" in checkpoint.title


def test_classes_of_imagenet_are_a_thousand_in_their_order() -> None:
    classes = Classes(imagenet_classes())
    assert len(classes.names) == 1000
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 388: "giant panda", 999: "toilet tissue"}
    assert {label: classes.names[label] for label in known} == known


@pytest.mark.parametrize(
    ("name", "label"),
    [("Golden Retriever", 207), ("tabby cat", 281), ("puma", 286), ("crane (machine)", 517), ("cardigan", 474)],
)
def test_spellings_of_imagenet(name: str, label: int) -> None:
    assert Classes(imagenet_classes()).encode([name]).tolist() == [label]


def test_every_class_of_imagenet_is_found_by_its_name() -> None:
    classes = Classes(imagenet_classes())
    assert classes.encode(classes.names).tolist() == list(range(1000))


def test_a_crane_is_two_things() -> None:
    with pytest.raises(ValueError, match=r"among them crane \(bird\), crane \(machine\)"):
        Classes(imagenet_classes()).encode(["crane"])
