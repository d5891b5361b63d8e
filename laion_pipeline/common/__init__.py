"""What every floor above uses: files, locks and progress; nothing of LAION."""
