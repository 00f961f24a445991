"""However many apply at once, no more is granted than there is room for."""

from collections import Counter
from contextlib import ExitStack

from tests.bank.cents import shown
from tests.bank.sizes import BANK_APPLICATIONS, BANK_ROUNDS
from tests.factories import LOAN, Caller
from tests.figures import report
from tests.serving import Service

ROOM = 10
AMOUNT = 1_000


def test_applications_waiting_side_by_side_stay_within_the_limit(
    service: Service, teller: Caller
) -> None:
    rounds = []
    with ExitStack() as stack:
        clients = [
            stack.enter_context(service.client(teller.headers)) for _ in range(BANK_APPLICATIONS)
        ]
        for _ in range(BANK_ROUNDS):
            customer = teller.make_customer(credit_limit=shown(ROOM * AMOUNT))["id"]
            body = {**LOAN, "customer_id": customer, "amount": shown(AMOUNT)}
            for client in clients:
                client.cut_off()  # nothing stale, whatever the round before took
                client.ask("POST", "/loans/", body)
            rounds.append(Counter(client.answer().status for client in clients))
            balance = teller.get(f"/customers/{customer}/balance").json
            assert balance["total_debt"] == shown(ROOM * AMOUNT)
    report(
        "Limits hold",
        rounds=len(rounds),
        applications=BANK_ROUNDS * BANK_APPLICATIONS,
        **{"granted in a round": ", ".join(map(str, sorted({each[201] for each in rounds})))},
    )
    assert rounds == [Counter({201: ROOM, 422: BANK_APPLICATIONS - ROOM})] * BANK_ROUNDS
