"""Context: what is known of the work in hand."""
