"""Many connections at rest, and clients that leave: what they cost, and how soon workers know."""
import re
import resource
import statistics
import time

import harness
from harness import LiveTest, response, slack_mib, wait_until

REQUEST = b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
IDLE = 10000         # connections at rest; fewer where descriptors are fewer, and the test says so
IDLE_BYTES = 2048    # each may take of the router's own memory
AT_ONCE = 500        # dialled before they are looked at
KEPT = 200           # descriptors for everything else


def good(connection, request):
    return response()


def descriptors(wanted):
    """As many as may be had, of those wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return max(soft, wanted)


def cpu_of_requests(proxy, connection, count):
    """CPU seconds of the router for each of `count` requests on one connection."""
    before = proxy.cpu_seconds()
    for _ in range(count):
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(harness.ANSWER):
            answer += connection.recv(65536)
    return (proxy.cpu_seconds() - before) / count


def heap_bytes(proxy):
    """Resident memory that is the process's own: without files and the kernel's buffers."""
    with open("/proc/%d/status" % proxy.process.pid) as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) * 1024


class Crowds(LiveTest):
    def arrive(self, count):
        """Connections, every second of which is used once."""
        fresh = [self.proxy.dial() for _ in range(count)]
        for connection in fresh[::2]:
            connection.sendall(REQUEST)
        for connection in fresh[::2]:
            answer = b""
            while not answer.endswith(harness.ANSWER):
                answer += connection.recv(65536)
        return fresh

    def test_connections_at_rest_cost_next_to_nothing(self):
        """Used once and kept, or never used; then requests among them."""
        count = min(IDLE, (descriptors(2 * IDLE + KEPT) - KEPT) // 2)
        if count < IDLE:
            print("only %d connections: descriptors are limited" % count, end=" ... ", flush=True)
        proxy = self.start(good)
        with proxy.dial() as busy:
            alone = cpu_of_requests(proxy, busy, 300)
            for connection in self.arrive(min(AT_ONCE, count)):
                connection.close()  # what is kept for those who come is there now
            begun = heap_bytes(proxy)
            resting = []
            while len(resting) < count:
                resting += self.arrive(min(AT_ONCE, count - len(resting)))
            each = (heap_bytes(proxy) - begun) / count
            among = cpu_of_requests(proxy, busy, 300)
            before = proxy.cpu_seconds()
            time.sleep(1)
            asleep = proxy.cpu_seconds() - before
        print("%d connections at rest: %d bytes each; CPU of a request %.0f us alone, %.0f us among "
              "them; %.0f ms a second when nothing comes"
              % (count, each, alone * 1e6, among * 1e6, asleep * 1e3), end=" ... ", flush=True)
        for connection in resting:
            connection.close()
        if slack_mib() == 0:
            self.assertLess(each, IDLE_BYTES)
        # A request that looked at each of them would cost thousands of times what it does alone.
        self.assertLess(among, 5 * alone + 0.001)
        self.assertLess(asleep, 0.2)

    def test_workers_hear_at_once_of_clients_who_leave(self):
        seen = []

        def waiting(connection, request):
            connection.settimeout(harness.PATIENCE)
            try:
                connection.recv(1)
            except OSError:
                pass
            seen.append(time.monotonic())

        proxy = self.start(waiting)
        delays = []
        for _ in range(200):
            client = proxy.dial()
            asked = len(self.workers[0].requests)
            client.sendall(REQUEST)
            wait_until(lambda: len(self.workers[0].requests) > asked, "the request")
            left = time.monotonic()
            told = len(seen)
            client.close()
            wait_until(lambda: len(seen) > told, "the worker to know")
            delays.append(seen[-1] - left)
        cuts = statistics.quantiles(delays, n=100)
        print("a client leaves, the worker sees it: p50 %.2f ms, p99 %.2f ms, n = %d"
              % (cuts[49] * 1e3, cuts[98] * 1e3, len(delays)), end=" ... ", flush=True)
        self.assertLess(cuts[49], 1)
        self.assertEqual({outcome[2] for outcome in self.outcomes()}, {"client_abort"})


if __name__ == "__main__":
    harness.main()
