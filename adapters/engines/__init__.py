"""The only places that generate text."""
