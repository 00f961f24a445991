"""The bank test: no cent is created or lost, whoever sends what, at once, twice or cut off."""
