"""All nodes, in the order in which menus show them."""

from __future__ import annotations

from .anomaly import fit, score
from .conditioning import encode_text, label_class
from .confidence import measure
from .declaration import Node
from .inversion import invert
from .likelihood import likelihood
from .loading import load
from .match import match_prompts
from .picking import pick
from .pictures import decode, encode
from .sampling import sample

NODES: tuple[Node, ...] = (
    load,
    encode_text,
    label_class,
    sample,
    decode,
    encode,
    likelihood,
    match_prompts,
    pick,
    fit,
    score,
    measure,
    invert,
)
