"""Heads: what turns a backbone's maps into embeddings, one system per file."""
