"""The openai client, as people have it, against an emulated worker (pip install openai)."""

import sys

try:
    import openai
except ImportError:
    print("SKIPPED: there is no openai client here (pip install openai, then run this again)")
    sys.exit(77)

from live import Emulate, run


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
            client(workers).completions.create(model="any", prompt=["a", "b"])
        except openai.BadRequestError as error:
            assert "batch" in str(error)
        else:
            raise AssertionError("a batch was taken")


run(globals())
