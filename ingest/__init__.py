"""Documents and their index: parse, split, embed, store the truth, derive the vector index."""
