"""The worker is killed: at each statement in turn, and at any moment under load."""
