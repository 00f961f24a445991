"""What leaves the service about itself, received by servers of the tests' own."""
