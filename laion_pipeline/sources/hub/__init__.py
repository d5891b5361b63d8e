"""The Hub as a source: what it lists is checked, and what it sends is verified."""
