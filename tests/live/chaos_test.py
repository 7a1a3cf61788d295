"""The short form of ./dev chaos: two plans."""

from chaos import chaos
from live import run


def test_nothing_is_lost_or_doubled_while_workers_fail_in_every_way():
    for seed in (1, 2):
        count, kinds = chaos(4, seed)
        assert count > 50 and kinds[200] > 20, (count, kinds)


run(globals())
