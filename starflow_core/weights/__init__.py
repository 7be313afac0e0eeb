"""Published weights: a table of them, downloads, verification, conversion and storage."""
