"""The command `starflow`: main.py is the entry point, each subcommand has a file, the other files are shared."""
