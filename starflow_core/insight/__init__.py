"""What exact likelihoods say of pictures."""
