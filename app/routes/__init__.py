"""The blueprints: one short function a route."""

from app.routes import auth, customers, docs, health, loans, reports

blueprints = (health.bp, docs.bp, auth.bp, customers.bp, loans.bp, reports.bp)
