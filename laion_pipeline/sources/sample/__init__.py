"""The sample release: made-up shards laid out exactly like a real release."""
