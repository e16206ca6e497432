"""What becomes of closed workflows: kept for a time, archived to files, deleted, and brought back."""
