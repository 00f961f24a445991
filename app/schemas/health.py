"""The service's state on the wire."""

from marshmallow import Schema, fields

from app.schemas.fields import AT_TIMES


class HealthOut(Schema):
    status = fields.String(dump_only=True, metadata={"enum": ["ok"]})


class PingOut(Schema):
    """`cache` down is a slower service, `db` down is none.

    `replica`, where there is one, is not `ok` while all is read from the primary.
    """

    pong = fields.Boolean(dump_only=True)
    db = fields.String(dump_only=True, metadata={"enum": ["ok", "down"]})
    cache = fields.String(dump_only=True, metadata={"enum": ["ok", "down"]})
    replica = fields.String(
        dump_only=True,
        metadata={"enum": ["ok", "behind", "detached", "down"], AT_TIMES: True},
    )
