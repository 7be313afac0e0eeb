"""How the embedded model was made: `data`, `autoencoder`, `flow` and `export`, each a command that can be run again."""
