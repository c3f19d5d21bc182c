"""Log lines: values that may cross threads, one record per log call, and the console."""
