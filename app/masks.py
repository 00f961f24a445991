"""What must not leave in a line or a report, whatever put it there: addresses and credentials."""

import re

MASK = "[masked]"
_SECRETS = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a token
    r"|\blk_[\w-]{8,}"  # an API key
    r"|\$argon2\w+\$[^\s\"']+"
    r"|(?<=://)[^\s/@:\"']*:[^\s/@\"']*(?=@)"  # whoever a URL logs in as
    r"|[\w.!#$%&*+/=?^`{|}~-]{1,64}@[\w-][\w.-]*"  # an e-mail address
)


def masked(text: str) -> str:
    """The text without e-mail addresses, passwords in URLs, tokens, keys and hashes.

    A last net: what is logged is chosen not to have any.
    """
    return _SECRETS.sub(MASK, text)
