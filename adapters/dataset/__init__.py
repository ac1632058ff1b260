"""Examples before training: read from any of their forms, checked, reported."""
