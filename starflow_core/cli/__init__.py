"""The command `starflow`: main.py is its door, each command is a file, and the others are what commands share."""
