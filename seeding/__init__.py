"""What `seed.py` puts into an empty database: a small demo, or a book of any size."""
