"""Subsets: which pairs to train on, chosen by a filter, shown first and then exported."""
