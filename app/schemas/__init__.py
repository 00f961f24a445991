"""What crosses the wire: fields, then XIn, XOut and XFilter of each domain."""
