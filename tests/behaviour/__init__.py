"""The application with us is the application without us."""
