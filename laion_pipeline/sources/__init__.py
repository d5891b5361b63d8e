"""Where shards come from: the Hub, a local folder, or the generator of the sample."""
