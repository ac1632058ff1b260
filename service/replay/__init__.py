"""A stored turn again: both answers side by side, and exactly what differs from then."""
