"""Celery's workers, in processes of their own, at work on imports that only pretend."""
