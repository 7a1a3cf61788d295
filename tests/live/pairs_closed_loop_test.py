"""The same trace, simulated as pairs and live: replay --pairs beside emulate + serve + load.

What must hold whatever the machine does: the live log re-executes bit for bit, both logs have the
same tables, columns, pools and roles, and where the router saw the same it decided the same.
"""

import sqlite3

from live import SAMPLE, Emulate, load, run, sglsim
from serving import Serve

REQUESTS = 60

DECISIONS = """
    SELECT r.request_id, d.worker, group_concat(c.worker || ':' || c.outstanding), o.success,
        o.prompt_tokens, o.output_tokens
    FROM request r JOIN decision d ON d.request = r.request
        JOIN candidate c ON c.sequence = d.sequence
        JOIN outcome o ON o.request = r.request AND o.pool = d.pool
    WHERE d.pool = ? GROUP BY r.request ORDER BY r.request
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
            one, other = (read(path, DECISIONS, pool) for path in (simulated, live))
            assert len(one) == len(other) == REQUESTS
            # Who was asked for what, and what came of it, is the same.
            assert [(row[0], *row[3:]) for row in one] == [(row[0], *row[3:]) for row in other]
            alike = [(a[1], b[1]) for a, b in zip(one, other) if a[2] == b[2]]
            assert alike and all(a == b for a, b in alike), alike
            same = sum(a[1] == b[1] for a, b in zip(one, other))
            assert policy != "round_robin" or same == REQUESTS
            print(f"    {policy}, {pool}: {same} of {REQUESTS} on the same worker, same inputs in "
                  f"{len(alike)}")


run(globals())
