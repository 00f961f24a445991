"""On which rows, in which transaction, seen by whom. Each public function is one deed."""
