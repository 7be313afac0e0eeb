"""A codec with loss: the latents of a flow of text and pictures, quantised, with the flow as the prior."""

from .codec import ITERATIONS as ITERATIONS
from .codec import LossyCodec as LossyCodec
from .codec import checked as checked
