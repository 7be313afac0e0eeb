"""Drawn pictures drawn again, from what their files say."""
