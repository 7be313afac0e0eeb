"""Weights of 8 and 4 bits: formats, layers that compute with them, and whole models of them."""

from __future__ import annotations

NAMES = ("int8", "int4", "fp8")  # of the formats
