"""All nodes, in the order in which menus show them."""

from __future__ import annotations

from .anomaly import fit, score
from .anomaly import load as load_anomaly
from .ascent import ascend
from .compression import compress, decompress
from .conditioning import encode_text, label_class
from .confidence import measure
from .declaration import Node
from .inpainting import fill_masked
from .inversion import invert
from .likelihood import likelihood
from .loading import load
from .lora import lora
from .match import match_prompts
from .morph import morph
from .picking import pick
from .pictures import decode, encode
from .sampling import sample

NODES: tuple[Node, ...] = (
    load,
    lora,
    encode_text,
    label_class,
    sample,
    morph,
    fill_masked,
    ascend,
    decode,
    encode,
    likelihood,
    match_prompts,
    pick,
    fit,
    load_anomaly,
    score,
    measure,
    invert,
    compress,
    decompress,
)
