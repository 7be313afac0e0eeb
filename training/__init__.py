"""How the embedded model was made: `data`, `autoencoder`, `flow`, each a command that can be run again."""
