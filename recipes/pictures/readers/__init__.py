"""How each kind of package is read: `read(set, folders)` of a module yields its drawings."""
