"""Low-rank changes of a flow: their file, and a flow with them."""
