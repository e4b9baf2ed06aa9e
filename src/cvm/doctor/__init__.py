"""What is wrong with this installation and workspace, and how to mend it; looks at everything and writes nothing."""
