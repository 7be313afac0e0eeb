"""What the codec refuses."""

from __future__ import annotations


class CodecError(ValueError):
    """A picture that cannot be compressed, or a file that is damaged, truncated or of another model."""
