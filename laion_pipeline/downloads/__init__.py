"""What came of downloading images: read from a downloader's folder, and kept in the warehouse."""
