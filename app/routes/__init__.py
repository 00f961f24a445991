"""The blueprints: one short function a route."""

from app.routes import (
    accounts,
    auth,
    customers,
    docs,
    health,
    imports,
    loans,
    payments,
    reports,
)

blueprints = (
    health.bp,
    docs.bp,
    auth.bp,
    customers.bp,
    imports.bp,
    accounts.bp,
    loans.bp,
    payments.bp,
    reports.bp,
)
