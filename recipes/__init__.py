"""How the embedded models were made.

`pictures.prepare`, `autoencoder`, `flow`, `tarflow` and `export` are commands, and each can be run again.
"""
