"""Workers behind TLS: an authority made here, and every way in which a certificate can be wrong."""

import shutil
import ssl
import subprocess
import sys

if shutil.which("openssl") is None:
    print("SKIPPED: there is no openssl here")
    sys.exit(77)

from live import run, sglsim
from serving import Serve, Worker, stream, wait_until

QUICK = ("--disable-health-check", "--disable-retries")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".pem",
            "-days", "2", "-subj", "/CN=" + name)


def make_certificate(name, authority, names, *dates):
    """name.pem and name.key, signed by the authority, for those alternative names."""
    with open(name + ".cnf", "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={names}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=x")
    if not dates:
        openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + ".key",
                "-CAcreateserial", "-days", "2", "-extfile", name + ".cnf", "-out", name + ".pem")
        return
    # Only `ca` takes dates that have passed.
    with open("ca.cnf", "w", encoding="utf-8") as file:
        file.write("[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
                   "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
    for path, text in (("index.txt", ""), ("serial", "01\n")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    openssl("ca", "-batch", "-config", "ca.cnf", "-in", name + ".csr", "-cert", authority + ".pem", "-keyfile",
            authority + ".key", "-startdate", dates[0], "-enddate", dates[1], "-extfile", name + ".cnf", "-notext",
            "-out", name + ".pem")


def secure(name, script=None, wants=None):
    """A worker that shows name.pem, and wants certificates of the authority `wants`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(name + ".pem", name + ".key")
    if wants is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(wants + ".pem")
    worker = Worker(script) if script is not None else Worker()
    serve = worker.serve

    def over_tls(connection):
        try:
            connection = context.wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            return
        serve(connection)

    worker.serve = over_tls
    worker.url = "https" + worker.url[4:]
    return worker


def test_a_worker_of_a_known_authority_is_served_and_of_no_other():
    make_authority("ours")
    make_authority("theirs")
    make_certificate("worker", "ours", "IP:127.0.0.1,DNS:localhost")
    for options, expected in (
        ((), 502), (("--ca-cert-paths", "theirs.pem"), 502), (("--ca-cert-paths", "ours.pem"), 200),
        (("--ca-cert-paths", "theirs.pem", "ours.pem"), 200), (("--ca-cert-paths=theirs.pem,ours.pem",), 200),
    ):
        worker = secure("worker")
        with Serve([worker], *QUICK, *options) as router:
            assert router.ask()[0] == expected, options
            if expected == 200:
                assert router.ask("/flush_cache", b"")[0] == 200
                assert router.json("/get_server_info")["text"] == "ok"
                local = worker.url.replace("127.0.0.1", "localhost")
                assert router.ask("/add_worker?url=" + local, b"")[0] == 200
                assert [router.ask()[0] for _ in range(4)] == [200] * 4
        assert worker.sent() == (7 if expected == 200 else 0), (options, worker.sent())
        if expected == 502:
            assert router.words() == ["bad_response"]


def test_wrong_names_and_dates_are_refused():
    make_authority("ours")
    make_certificate("right", "ours", "IP:127.0.0.1", "20200101000000Z", "20990101000000Z")
    make_certificate("other_name", "ours", "DNS:gpu1.example")
    make_certificate("other_address", "ours", "IP:127.0.0.2")
    make_certificate("expired", "ours", "IP:127.0.0.1", "20200101000000Z", "20200201000000Z")
    make_certificate("early", "ours", "IP:127.0.0.1", "20980101000000Z", "20990101000000Z")
    for name in ("right", "other_name", "other_address", "expired", "early"):
        worker = secure(name)
        with Serve([worker], *QUICK, "--ca-cert-paths", "ours.pem") as router:
            assert router.ask()[0] == (200 if name == "right" else 502), name
        assert worker.sent() == (name == "right"), name


def test_streams_and_health_checks_go_over_tls():
    make_authority("ours")
    make_certificate("worker", "ours", "IP:127.0.0.1")
    good, bad = secure("worker", stream), secure("worker")
    options = ("--health-check-interval-secs", "0.05", "--ca-cert-paths", "ours.pem", "--threads", "2")
    with Serve([good, bad], *options) as router:
        wait_until(lambda: good.probes >= 3 and bad.probes >= 3, "health checks")
        bad.health = 500
        wait_until(lambda: not router.json("/workers")["workers"][1]["is_healthy"], "ill health")
        for _ in range(5):
            answer = router.ask()
            assert answer[0] == 200 and b"[DONE]" in answer[2] and len(answer) == 3, answer
    with Serve([secure("worker")], "--health-check-interval-secs", "0.05") as router:
        # Not trusted: it does not pass.
        wait_until(lambda: router.get("/readiness")[0] == 503, "unreadiness")


def test_a_worker_that_wants_a_certificate_is_shown_one():
    make_authority("ours")
    make_authority("theirs")
    make_certificate("worker", "ours", "IP:127.0.0.1")
    make_certificate("router", "ours", "DNS:router")
    make_certificate("stranger", "theirs", "DNS:router")
    with open("both.pem", "w", encoding="utf-8") as both:
        for name in ("router.pem", "router.key"):
            with open(name, encoding="utf-8") as part:
                both.write(part.read())
    for options, expected in (
        ((), 502), (("--client-cert-path", "router.pem", "--client-key-path", "router.key"), 200),
        (("--client-cert-path", "both.pem"), 200),
        (("--client-cert-path", "stranger.pem", "--client-key-path", "stranger.key"), 502),
    ):
        worker = secure("worker", wants="ours")
        with Serve([worker], *QUICK, "--ca-cert-paths", "ours.pem", *options) as router:
            assert router.ask()[0] == expected, options
        assert worker.sent() == (expected == 200), options


def test_connections_are_kept():
    make_authority("ours")
    make_certificate("worker", "ours", "IP:127.0.0.1")
    worker = secure("worker")
    accepted = []
    serve = worker.serve
    worker.serve = lambda connection: (accepted.append(1), serve(connection))
    with Serve([worker], *QUICK, "--ca-cert-paths", "ours.pem") as router:
        assert [router.ask()[0] for _ in range(20)] == [200] * 20
    assert worker.sent() == 20 and len(accepted) == 1


def test_files_that_are_not_there_or_nothing_of_the_kind_are_told_at_the_start():
    make_authority("ours")
    with open("empty.pem", "w", encoding="utf-8"):
        pass
    openssl("rsa", "-in", "ours.key", "-aes256", "-passout", "pass:word", "-out", "locked.key")
    for options in (
        ("--ca-cert-paths", "missing.pem"), ("--ca-cert-paths", "empty.pem"), ("--ca-cert-paths", "."),
        ("--ca-cert-paths", "ours.pem,missing.pem"), ("--client-key-path", "ours.key"),
        ("--client-cert-path", "ours.pem"), ("--client-cert-path", "ours.pem", "--client-key-path", "ours.pem"),
        ("--client-cert-path", "ours.pem", "--client-key-path", "locked.key"),
        ("--client-cert-path", "missing.pem", "--client-key-path", "ours.key"),
    ):
        sglsim("serve", "--worker-urls", "https://127.0.0.1:1", "--port", "0", *options, expected=2)


run(globals())
