"""Pre-authorization decisions: policy, records, and the ways to decide."""
