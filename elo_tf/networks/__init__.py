"""What embeds and decodes: layers, towers, decoders; the tower that is kept."""
