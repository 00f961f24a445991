"""How fast the service is, beside a bare route under the same server in the same minutes."""
