import torch
from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None, database=None, max_examples=20)
settings.load_profile("reproducible")

# The models here are so small that waiting for a second thread costs more than it computes.
torch.set_num_threads(1)
