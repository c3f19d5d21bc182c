"""The application under test: web, tasks and scripts that account for each item in a journal of their own."""
