"""PostgreSQL and Valkey for development and tests, started from wheels and gone with their starter.

Stand-alone: it imports nothing else of `app`, and nothing of `app` imports it.
"""
