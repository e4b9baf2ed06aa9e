"""Each stage alone: params and workspace in, files and one line of outcome out."""
