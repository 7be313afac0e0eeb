"""The command `starflow`: main.py; weights.py: the commands on models; options.py and files.py: what they share."""
