"""Derived tables: what one is, how one is made, and what its columns come from."""
