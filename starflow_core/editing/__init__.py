"""Pictures changed through a flow's exact inverse: parts drawn anew, and what lies between, near or beyond pictures."""
