"""Exit 0 when the service in this container answers /ping with 200, else 1.

The image's health check and the release script ask this; the image has no curl.
"""

import http.client
import os
import sys


def is_ready(host: str = "127.0.0.1", port: int | None = None, timeout: float = 4.0) -> bool:
    """Whether /ping answers 200 within `timeout` seconds; a refusal or silence is a no."""
    port = port or int(os.environ.get("PORT") or 8000)
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready() else 1)
