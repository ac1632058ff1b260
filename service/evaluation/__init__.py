"""Which layer pays: questions, metrics, runs."""
