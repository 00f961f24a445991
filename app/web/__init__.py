"""The HTTP machinery: what a route promises, who calls, what a refusal looks like."""
