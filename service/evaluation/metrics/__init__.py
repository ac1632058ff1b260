"""Metrics that need no judge, each a pure function; a value that does not exist is None, never NaN."""
