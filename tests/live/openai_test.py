"""The openai client, as people have it, against an emulated worker and through the router (pip install
openai)."""

import asyncio
import concurrent.futures
import sys

try:
    import openai
except ImportError:
    print("SKIPPED: there is no openai client here (pip install openai, then run this again)")
    sys.exit(77)

from live import Emulate, run
from serving import STREAM_HEAD, Serve, Worker, event, hang, response


def client(workers):
    return openai.OpenAI(base_url=workers.urls[0] + "/v1", api_key="none", max_retries=0)


def test_chats_answer_whole_and_streamed():
    with Emulate("--time-scale", "20") as workers:
        ask = {
            "model": "any",
            "messages": [{"role": "user", "content": "hello there"}],
            "max_tokens": 12,
        }
        whole = client(workers).chat.completions.create(**ask)
        assert whole.choices[0].finish_reason == "length"
        assert whole.usage.completion_tokens == 12 and whole.usage.prompt_tokens == 3
        assert whole.usage.prompt_tokens_details.cached_tokens == 0
        text = ""
        usage = None
        for chunk in client(workers).chat.completions.create(
            **ask, stream=True, stream_options={"include_usage": True}
        ):
            text += chunk.choices[0].delta.content if chunk.choices else ""
            usage = chunk.usage or usage
        assert text == whole.choices[0].message.content
        assert usage.total_tokens == 15


def test_completions_answer_and_models_are_listed():
    with Emulate("--time-scale", "20", "--model", "some/model") as workers:
        answer = client(workers).completions.create(model="any", prompt=[1, 2, 3], max_tokens=4)
        assert answer.usage.prompt_tokens == 3 and len(answer.choices[0].text) == 16
        assert [model.id for model in client(workers).models.list()] == ["some/model"]


def test_what_is_wrong_is_raised():
    with Emulate() as workers:
        try:
            client(workers).completions.create(model="any", prompt={"a": "b"})
        except openai.BadRequestError as error:
            assert "prompt" in str(error), error
        else:
            raise AssertionError("it was taken")


def through(router, key="none"):
    return openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % router.port, api_key=key, max_retries=0)


QUICK = ("--disable-health-check", "--disable-retries")
ASK = {"model": "any", "messages": [{"role": "user", "content": "hello there"}]}
ERROR = b'{"error":{"message":"of the worker","type":"t","param":"p","code":"c"}}'


def raised(router, **more):
    """The exception that a chat ends with."""
    try:
        answer = through(router).chat.completions.create(**ASK, **more)
        list(answer) if more.get("stream") else None
    except openai.APIError as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_router_is_as_good_as_a_server():
    with Emulate("--count", "2", "--time-scale", "20", "--model", "some/model") as workers:
        with Serve(workers.urls, *QUICK, policy="cache_aware") as router:
            client = through(router)
            whole = client.chat.completions.create(**ASK, max_tokens=12)
            assert whole.usage.completion_tokens == 12 and whole._request_id.startswith("chatcmpl-")
            text = ""
            for chunk in client.chat.completions.create(**ASK, max_tokens=12, stream=True):
                text += chunk.choices[0].delta.content if chunk.choices else ""
            assert text == whole.choices[0].message.content
            assert client.completions.create(model="any", prompt="x", max_tokens=4).usage.completion_tokens == 4
            assert [model.id for model in client.models.list()] == ["some/model"]
            raw = client.chat.completions.with_raw_response.create(**ASK, max_tokens=1)
            assert raw.headers["x-sglsim-worker"] in workers.urls
            assert raw.parse().usage.completion_tokens == 1


def test_two_hundred_at_once_are_each_answered():
    with Emulate("--count", "2", "--time-scale", "20") as workers:
        with Serve(workers.urls, *QUICK, "--threads", "2") as router:

            client = through(router)

            def one(i):
                return client.chat.completions.create(**ASK, max_tokens=1 + i % 7).usage.completion_tokens

            with concurrent.futures.ThreadPoolExecutor(200) as crowd:
                assert list(crowd.map(one, range(200))) == [1 + i % 7 for i in range(200)]

            async def stream(client, i):
                chunks = await client.chat.completions.create(**ASK, max_tokens=1 + i % 7, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])

            async def streams():
                async with openai.AsyncOpenAI(
                    base_url="http://127.0.0.1:%d/v1" % router.port, api_key="k"
                ) as client:
                    return await asyncio.gather(*(stream(client, i) for i in range(200)))

            assert [len(text) for text in asyncio.run(streams())] == [4 * (1 + i % 7) for i in range(200)]


def test_errors_of_workers_are_of_their_class():
    for status, name in (
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
    ):
        worker = Worker(lambda w, c, r, status=status: response(ERROR, b"%d Said" % status))
        with Serve([worker], *QUICK) as router:
            error = raised(router)
            assert type(error).__name__ == name and error.status_code == status, error
            assert (error.code, error.param, error.type) == ("c", "p", "t")
            assert error.request_id.startswith("chatcmpl-")


def test_errors_of_the_router_are_of_their_class():
    with Serve([], *QUICK) as router:
        error = raised(router)
        assert isinstance(error, openai.InternalServerError) and error.status_code == 503
        assert error.type == "no_available_workers" and error.response.headers["retry-after"] == "1"
    with Serve([Worker()], *QUICK, "--api-key", "k") as router:
        assert isinstance(raised(router), openai.AuthenticationError)
    with Serve([Worker(hang)], *QUICK, "--request-timeout-secs", "0.5") as router:
        assert raised(router).status_code == 504

    def cut(worker, connection, request):
        connection.sendall(STREAM_HEAD + event(b'{"id":"1","choices":[{"index":0,"delta":{"content":"x"}}]}'))

    with Serve([Worker(cut)], *QUICK) as router:
        assert "broke off" in str(raised(router, stream=True))


run(globals())
