"""The console: pages on which the lender's officers and admins work.

Every action is the call of a service, as of a route: the same rules, locks, history and audit.
"""

from flask import Blueprint, Flask

from app.config import Settings
from app.console import (
    customers,
    door,
    home,
    honeypot,
    imports,
    keys,
    layout,
    loans,
    me,
    payments,
    people,
    refusals,
    review,
    second_factor,
    trail,
    words,
)

console = Blueprint("console", __name__, template_folder="templates")
layout.init(console)
refusals.init(console)
for _room in (
    home,
    door,
    review,
    loans,
    customers,
    payments,
    imports,
    people,
    keys,
    trail,
    me,
    second_factor,
):
    console.register_blueprint(_room.bp)


def init_app(app: Flask, settings: Settings) -> None:
    app.jinja_env.filters.update({each.__name__: each for each in words.FILTERS})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(console, url_prefix=settings.admin_url.rstrip("/"))
    app.register_blueprint(honeypot.bp, url_prefix=settings.admin_honeypot_url.rstrip("/"))
