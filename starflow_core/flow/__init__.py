"""What computes the map: data ↔ noise, token by token, block by block, and its log-determinant.

config.py, config_names.py   the published names, checked
tokens.py, rotary.py         data ↔ tokens; positions of tokens and text
transformer.py, cache.py     causal attention and MLP; the key-value cache
block.py                     one flow block: the affine map of each token, given those before it
flow.py                      a flow of such blocks; starflow.py and tarflow.py: what is each kind's own
guidance.py, predictor.py    two predictions into one; a block as a sampler sees it; precision.py: bfloat16 or not
noise.py                     the noise that a seed stands for
state_dict.py                published weights' names
"""
