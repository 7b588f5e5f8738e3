"""What people wear and carry, read off the embedder's global vectors: clothing and belongings."""
