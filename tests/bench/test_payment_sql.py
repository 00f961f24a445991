"""pgbench sends what the service sends, or the ratio between the two says nothing."""

import re

from bench.pgbench import SCRIPT
from tests.factories import Caller
from tests.statements import shape


def test_pgbench_sends_the_statements_of_a_payment(
    admin: Caller, officer: Caller, sent: list[str]
) -> None:
    customer = officer.make_customer()
    for _ in range(3):
        loan = admin.make_loan(customer)
        assert admin.post(f"/loans/{loan['id']}/activate").status_code == 200
    body = {"customer_id": customer["id"], "total_amount": "5.00"}
    sent.clear()
    answer = officer.post("/payments/", body, headers={"Idempotency-Key": "of the bench"})
    assert answer.status_code == 201

    script = re.sub(r"^(--.*|\\set.*)$", "", SCRIPT.read_text(), flags=re.MULTILINE)
    written = [part.strip() for part in re.split(r";|\\gset|\\aset \w+", script) if part.strip()]
    credential, *statements = map(shape, written)
    assert statements[-1] == "COMMIT"
    assert credential.startswith("SELECT")
    assert shape(sent[0]).startswith("SELECT")
    assert statements == [shape(statement) for statement in sent[1:]]
