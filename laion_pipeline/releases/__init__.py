"""What is known of each release: its columns, their ranges, and the catalogue."""
