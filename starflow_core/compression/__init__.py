"""A lossless codec: pictures as files of as few bits as a flow says, decodable on every machine."""

from .codec import Codec as Codec
from .errors import CodecError as CodecError
