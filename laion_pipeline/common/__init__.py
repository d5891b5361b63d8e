"""What every floor above uses: files, locks, text and progress; nothing of LAION."""
