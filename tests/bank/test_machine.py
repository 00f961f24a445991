"""One caller, any order of calls: the service answers as the model does."""

from hypothesis import HealthCheck, Phase, configuration, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.bank.books import breaches, opened
from tests.bank.machine import Lending
from tests.bank.sizes import BANK_EXAMPLES, BANK_SHRINKS, BANK_STEPS
from tests.factories import Caller
from tests.servers import LOCAL

configuration.set_hypothesis_home_dir(LOCAL / "hypothesis")


def test_any_order_of_calls_moves_money_as_the_contract_says(
    admin: Caller, environ: dict[str, str]
) -> None:
    run_state_machine_as_test(
        lambda: Lending(admin),
        settings=settings(
            max_examples=BANK_EXAMPLES,
            stateful_step_count=BANK_STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, *([Phase.shrink] if BANK_SHRINKS else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )
    with opened(environ["DATABASE_URL"]) as connection:
        assert breaches(connection) == {}
