"""An optional judge: another model's opinion of kept answers, and how far it can be trusted."""
