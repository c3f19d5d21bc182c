"""Log lines: values that may cross threads, one record per log call whichever libraries it passes, console lines."""
