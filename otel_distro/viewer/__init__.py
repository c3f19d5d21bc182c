"""The embedded viewer: an OTLP receiver, a SQLite store and one read-only query layer. It knows no SDK."""
