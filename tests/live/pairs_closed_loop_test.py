"""The same trace, simulated as pairs and live: replay --pairs beside emulate + serve + load.

What must hold whatever the machine does: the live log re-executes bit for bit, both logs have the
same tables, columns, pools and roles, and where the router saw the same it decided the same. On a
busy machine requests that are sent close together may reach the router in another order: the
router's luck and turns belong to the place in that order, not to the request.
"""

import sqlite3

from live import SAMPLE, Emulate, load, run, sglsim
from serving import Serve

REQUESTS = 60

# In the order in which they were decided.
DECISIONS = """
    SELECT worker, (SELECT group_concat(worker || ':' || outstanding) FROM
        (SELECT worker, outstanding FROM candidate c WHERE c.sequence = d.sequence ORDER BY worker))
    FROM decision d WHERE pool = ? ORDER BY sequence
"""
# Whatever that order was.
ANSWERS = """
    SELECT request_id, o.success, o.prompt_tokens, o.output_tokens
    FROM request JOIN outcome o USING (request) WHERE pool = ? ORDER BY request_id
"""


def read(path, question, *values):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question, values).fetchall()
    finally:
        connection.close()


def both(policy):
    """Makes sim.db and live.db."""
    with open(SAMPLE, encoding="utf-8") as file, open("slice.csv", "w", encoding="utf-8") as out:
        out.writelines(line for _, line in zip(range(REQUESTS + 1), file))
    sglsim("replay", "slice.csv", "--policy", policy, "--pairs", "2:2", "--log", "sim.db")
    with Emulate("--prefill-count", "2", "--decode-count", "2") as workers:
        flags = [word for line in workers.flags for word in line]
        with Serve([], "--pd-disaggregation", *flags, policy=policy) as router:
            figures = load(f"http://127.0.0.1:{router.port}", "slice.csv", "--out", "none")
            assert figures["succeeded"] == REQUESTS, figures
    # Leaving the block verified it.
    return "sim.db", "serve.db"


def test_logs_have_the_same_names_and_decisions_agree_where_inputs_do():
    for policy in ("round_robin", "least_outstanding"):
        simulated, live = both(policy)
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        assert read(simulated, tables) == read(live, tables)
        for (table,) in read(simulated, tables):
            columns = "SELECT name FROM pragma_table_info(?)"
            assert read(simulated, columns, table) == read(live, columns, table), table
        roles = "SELECT worker, role FROM worker ORDER BY worker"
        assert read(simulated, roles) == read(live, roles) == [
            (0, "prefill"), (1, "prefill"), (2, "decode"), (3, "decode")]
        for pool in ("prefill", "decode"):
            # Who was asked for what, and what came of it, is the same.
            answers = [read(path, ANSWERS, pool) for path in (simulated, live)]
            assert len(answers[0]) == REQUESTS
            assert answers[0] == answers[1], set(answers[1]).symmetric_difference(answers[0])
            one, other = (read(path, DECISIONS, pool) for path in (simulated, live))
            assert len(one) == len(other) == REQUESTS
            alike = [(a[0], b[0]) for a, b in zip(one, other) if a[1] == b[1]]
            assert alike and all(a == b for a, b in alike), alike
            same = sum(a[0] == b[0] for a, b in zip(one, other))
            assert policy != "round_robin" or same == REQUESTS
            print(f"    {policy}, {pool}: {same} of {REQUESTS} on the same worker, same inputs in "
                  f"{len(alike)}")


run(globals())
