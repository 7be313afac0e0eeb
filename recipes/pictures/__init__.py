"""The pictures that the embedded models learn: fetched, rasterised, named, held out, drawn with captions."""
