"""Published weights: the table of them, fetched, verified, converted and kept."""
