"""What the user's files are, proposed from their headers and a sample: the work behind ``cvm init``."""
