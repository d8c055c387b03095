"""Networks and losses that commands train and no notebook calls."""
