"""The least that Flask can do: what every route of the service is compared with."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def bare() -> dict[str, str]:
    return {"status": "ok"}
