"""The application as gunicorn and `flask` find it."""

from app import create_app

app = create_app()
