"""The training loop, and what makes a flow train well."""
