"""What the end of the router owes to those who came before it was told to end."""
import os
import signal
import time

import harness
from harness import Answer, LiveTest, read_all, response, rows, wait_until

HEAD = b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


def good(connection, request):
    return response()


def bytes_unread(proxy):
    """Bytes that clients sent and the router has not read, by the kernel's table."""
    total = 0
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == proxy.port and fields[3] != "0A":
                total += int(fields[4].split(":")[1], 16)
    return total


def freeze(process):
    """Stops it; back when none of its threads runs any more."""
    os.kill(process.pid, signal.SIGSTOP)
    folder = "/proc/%d/task" % process.pid

    def state(thread):
        with open("%s/%s/stat" % (folder, thread)) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    wait_until(lambda: all(state(thread) == "T" for thread in os.listdir(folder)), "the stop")


class Draining(LiveTest):
    def test_whoever_was_connected_before_the_signal_is_answered(self):
        """The router does not run while clients connect, send and it is told to end: all that the
        kernel has taken for it is a promise already."""
        for threads in ("1", "3"):
            proxy = self.start(good, good, options=("--threads", threads))
            known = [proxy.dial() for _ in range(3)]  # in its hands, silent
            time.sleep(0.05)
            freeze(proxy.process)
            fresh = [proxy.dial() for _ in range(5)]
            leaving = [proxy.dial() for _ in range(4)]
            for connection in known + fresh + leaving:
                connection.sendall(HEAD + b"{}")
            for connection in leaving:
                connection.close()
            wait_until(lambda: bytes_unread(proxy) >= 12 * (len(HEAD) + 2), "the requests")
            proxy.process.send_signal(signal.SIGTERM)
            os.kill(proxy.process.pid, signal.SIGCONT)
            for connection in known + fresh:
                answer = Answer(read_all(connection))
                self.assertEqual(answer.status, 200, answer.data)
                connection.close()
            outcomes = self.outcomes()
            self.assertEqual(rows(self.log, "SELECT count(*) FROM request"), [(12,)])
            self.assertLessEqual([o[2] for o in outcomes].count("client_abort"), 4)
            self.again()

    def test_a_request_that_has_begun_may_be_finished(self):
        proxy = self.start(good)
        with proxy.dial() as in_head, proxy.dial() as in_body:
            in_head.sendall(HEAD[:20])
            in_body.sendall(HEAD + b"{")
            wait_until(lambda: bytes_unread(proxy) == 0, "the beginnings to be read")
            time.sleep(0.05)
            proxy.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with self.assertRaises(OSError):
                proxy.dial()
            in_head.sendall(HEAD[20:] + b"{}")
            in_body.sendall(b"}")
            for connection in (in_head, in_body):
                answer = Answer(read_all(connection))
                self.assertEqual(answer.status, 200, answer.data)
                self.assertEqual(answer.values(b"connection"), [b"close"])
        self.assertEqual(proxy.process.wait(harness.PATIENCE), 0)
        self.assertEqual(rows(self.log, "SELECT count(*) FROM outcome WHERE success = 1"), [(2,)])

    def test_connections_at_rest_do_not_keep_it(self):
        proxy = self.start(good)
        with proxy.dial() as never_used, proxy.dial() as used:
            used.sendall(HEAD + b"{}")
            seen = b""
            while not seen.endswith(harness.ANSWER):
                seen += used.recv(65536)
            proxy.process.send_signal(signal.SIGTERM)
            for connection in (never_used, used):
                connection.settimeout(harness.PATIENCE / 2)
                self.assertEqual(connection.recv(100), b"")
            self.assertEqual(proxy.process.wait(harness.PATIENCE / 2), 0)

    def test_what_never_ends_is_cut_when_its_time_is_over(self):
        proxy = self.start(good, options=("--drain-timeout-secs", "1"))
        with proxy.dial() as slow:
            slow.sendall(HEAD)
            wait_until(lambda: bytes_unread(proxy) == 0, "the head to be read")
            time.sleep(0.05)
            proxy.process.send_signal(signal.SIGTERM)
            slow.settimeout(harness.PATIENCE / 2)
            try:
                self.assertEqual(slow.recv(100), b"")
            except ConnectionResetError:
                pass
            self.assertEqual(proxy.process.wait(harness.PATIENCE), 0)


if __name__ == "__main__":
    harness.main()
