"""The nodes, declared once; ComfyUI and the demo build their own from these.

declaration.py   the declaration of a node: a function with its inputs and outputs
values.py        the values on the wires, in ComfyUI's own layouts
convert.py       conversion between those and the core's types
host.py          the program that runs a node: models, memory, progress; local_host.py: the simplest one
loading.py, conditioning.py, sampling.py, pictures.py, likelihood.py, confidence.py, inversion.py   the nodes
known.py         classes and sizes of models, not loaded; seen.py: maps over the part of a picture that a model sees
catalogue.py     all of them; locales.py, their English texts for translations
comfy.py, and comfy_*.py: models, memory, VAE, previews, display   ComfyUI's side; nothing else imports ComfyUI
core_beside.py   makes `import starflow_core` work in ComfyUI
"""
