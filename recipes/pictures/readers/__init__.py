"""Readers, one for each kind of package: `read(picture_set, folders)` yields the drawings of a set."""
