"""The map data ↔ noise, token by token and block by block, and its log-determinant.

config.py, config_names.py   the published names, checked
tokens.py, rotary.py         data ↔ tokens; positions of tokens and text
transformer.py, cache.py     causal attention and MLP; the key-value cache
block.py                     one flow block: the affine map of each token, given those before it
flow.py                      a flow of such blocks; starflow.py and tarflow.py: the two kinds
video.py, denoiser.py        given frames and windows of a video; the learned denoiser
guidance.py, predictor.py    two predictions into one; a block as a sampler sees it; precision.py: bfloat16 or not
noise.py                     seeded noise
state_dict.py                published weights' names
"""
