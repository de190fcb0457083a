"""Videos -> embeddings by an exported module, and what is near what among them."""
