"""Layers under experiment: assignment and exposures."""
