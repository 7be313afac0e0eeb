"""The nodes, declared once: ComfyUI and the demo make their own of these.

declaration.py   what a node is: a function, with its inputs and outputs described beside it
values.py        what goes along the wires, in ComfyUI's own layouts
convert.py       between those and what the core takes
host.py          what a node needs of the program that runs it: models, memory, progress; local_host.py: the simplest
loading.py, conditioning.py, sampling.py, pictures.py, likelihood.py, inversion.py   the nodes
known.py         what front ends show of models that are not loaded; seen.py: maps over pictures, where a model looks
catalogue.py     all of them; locales.py, their English texts for translations
comfy.py, and comfy_*.py: models, memory, VAE, previews, what is shown   ComfyUI's side, which alone imports ComfyUI
core_beside.py   the core found under its one name, in ComfyUI
"""
