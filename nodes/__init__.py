"""The nodes, declared once: ComfyUI and the demo make their own of these.

declaration.py   what a node is: a function, with its inputs and outputs described beside it
values.py        what goes along the wires, in ComfyUI's own layouts
host.py          what a node needs of the program that runs it: models, memory, progress
loading.py, conditioning.py, sampling.py, pictures.py, likelihood.py, inversion.py   the nodes
catalogue.py     all of them
comfy.py, comfy_host.py, comfy_models.py   ComfyUI's side; the only files that import ComfyUI
"""
