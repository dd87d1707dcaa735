"""One file a method: which signals are compared, by which loss."""
