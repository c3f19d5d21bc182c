"""The receiver, the store and the query layer."""
