"""What writes the parts of the documentation that are derived from code and from committed results."""
