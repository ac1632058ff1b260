"""Values: every setting once, and the one place that reads files and the environment for them."""
