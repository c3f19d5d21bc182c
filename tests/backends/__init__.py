"""The build tool of the real servers, and the configurations that ship for them."""
