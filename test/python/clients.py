"""Real clients against a running Gavel, with nothing but its URL given to them.

    clients.py BASE_URL KEY MODEL_FOLDER SERVE_URL

On the server are a judge `j` and a recipe `both` of that judge and the mathematics verifier. The judge gives P(Yes) as
text says (`p=0.25`), else one half. At SERVE_URL is `gavel serve` of a tiny model. Prints a line a client; exits with 1 at the first that fails.
"""

import asyncio
import importlib.util
import math
import pathlib
import sys
import tempfile
import types
import typing

BASE_URL, KEY, MODEL, SERVE_URL = sys.argv[1:]
EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "examples"


def example(name):
    """A file of examples/, under another name: as trl.py it would hide TRL itself."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def near(a, b):
    assert math.isclose(a, b, abs_tol=1e-6), f"{a} is not {b}"


def try_openai():
    import openai

    example("openai_graders")
    near(example("openai_decisions").decide("It is 5. p=0.75")["right"]["probability"], 0.75)
    client = openai.OpenAI(base_url=f"{BASE_URL}/v1", api_key=KEY, max_retries=0)
    graders = client.fine_tuning.alpha.graders
    item = {"answer": "5"}
    check = {
        "type": "string_check",
        "name": "right",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "like",
    }
    assert graders.validate(grader=check).grader.operation == "like"
    for sample, reward in [("It is 5.", 1), ("It is 6.", 0)]:
        run = graders.run(grader=check, model_sample=sample, item=item)
        near(run.reward, reward)
        assert run.metadata.name == "right" and not run.metadata.errors.other_error
    similarity = {
        "type": "text_similarity",
        "name": "alike",
        "input": "{{sample.output_text}}",
        "reference": "It is 5.",
        "evaluation_metric": "rouge_l",
    }
    both = {"type": "multi", "name": "both", "graders": {"a": check, "b": similarity}, "calculate_output": "0.5*a+0.5*b"}
    run = graders.run(grader=both, model_sample="It is 5.", item=item)
    near(run.reward, 1)
    near(run.sub_rewards["b"], 1)
    try:
        graders.validate(grader={**both, "calculate_output": "a+nobody"})
        raise AssertionError("a formula with an unknown variable was accepted")
    except openai.UnprocessableEntityError as error:
        assert error.param == "grader.calculate_output", error

    def decide(judge):
        question = {"type": "predicate", "name": "right", "instructions": "The answer is right. p=0.25"}
        body = {"model": judge, "input": "Question: What is 2 + 3? Answer: It is 5.", "questions": [question]}
        return client.post("/decisions", cast_to=dict[str, typing.Any], body=body)

    near(decide("j")["answers"][0]["probability"], 0.25)
    try:
        decide("nobody")
        raise AssertionError("a judge that is not there answered")
    except openai.NotFoundError as error:
        assert error.param == "model" and error.request_id, error
    return "graders, decisions and errors"


def try_verifiers():
    from verifiers.v1.judges.decision import DecisionJudge, DecisionJudgeConfig

    config = DecisionJudgeConfig(model="j", base_url=f"{BASE_URL}/v1/systemone", api_key_var="GAVEL_KEY")
    judge = DecisionJudge(config)

    async def ask(**fields):
        response = await judge.evaluate(**fields)
        return response.parsed, response.usage

    grade, usage = asyncio.run(ask(question="What is 2 + 3?", response="It is 5. p=0.75"))
    near(grade, 0.75)
    assert usage.prompt_tokens > 0, usage
    return f"the decision judge: {grade:.3f}"


def try_trl():
    import datasets
    import trl

    gavel = example("trl").gavel_reward(BASE_URL, "both", key=KEY)
    seen = []

    async def reward(*args, **columns):
        rewards = await gavel(*args, **columns)
        seen.append(rewards)
        return rewards

    rows = [{"prompt": f"What is {a} plus 3?", "answer": str(a + 3) if a % 2 else None} for a in range(1, 9)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.GRPOTrainer(
            model=MODEL,
            reward_funcs=reward,
            train_dataset=datasets.Dataset.from_list(rows),
            args=trl.GRPOConfig(
                output_dir=folder,
                max_steps=2,
                per_device_train_batch_size=4,
                num_generations=4,
                max_completion_length=8,
                logging_steps=1,
                report_to=[],
                use_cpu=True,
                bf16=False,
                save_strategy="no",
                disable_tqdm=True,
                seed=1,
            ),
        )
        trainer.train()
        assert trainer.state.global_step == 2
    rewards = [value for batch in seen for value in batch]
    assert len(rewards) == 8 and all(value is None or 0 <= value <= 1 for value in rewards), rewards
    logged = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    assert len(logged) == 2 and all(math.isfinite(value) for value in logged), trainer.state.log_history
    return f"GRPOTrainer, two steps, mean rewards {', '.join(f'{value:.3f}' for value in logged)}"


def try_areal():
    reward = example("areal").gavel_reward("What is 2 + 3?", "Adding them gives p=0.75\n#### 5", [], [], answer="5")
    near(reward, (1 + 0.75) / 2)
    return "the reward function of examples/areal.py"


def try_reward_servers():
    servers = example("reward_servers")
    question, answers = "What is 2 + 3?", ["It is 5. p=0.75", "It is 6. p=0.25"]
    pairs = ([question, question], answers)
    for scores in [servers.vllm_scores(BASE_URL, "j", KEY)(*pairs), servers.tei_scores(BASE_URL, "j", KEY)(*pairs)]:
        near(scores[0], 0.75)
        near(scores[1], 0.25)
    for ids, p in [([9454, 2753], 0.75), ([2753, 9454], 0.25)]:
        near(servers.sglang_scores(BASE_URL, "j", KEY, ids)(question, answers)[0], p)
    return "vLLM, SGLang and TEI"


def try_aws_lambda():
    messages = [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": "p=0.75 #### 5"}]
    event = [{"id": "a", "messages": messages, "reference_answer": "5"}]
    [row] = example("aws_lambda").lambda_handler(event, None)
    near(row["aggregate_reward_score"], (1 + 0.75) / 2)
    return "the handler of examples/aws_lambda.py"


def try_verl():
    graded = asyncio.run(
        example("gavel_verl").compute_score("gsm8k", "p=0.75 #### 5", "5", {"question": "What is 2 + 3?"}, extra=1)
    )
    near(graded["score"], (1 + 0.75) / 2)
    return "compute_score of examples/gavel_verl.py"


def stand_in(name, **members):
    """A module of a trainer that cannot be installed here, with what the recipe takes of it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        module = sys.modules.setdefault(".".join(parts[:depth]), types.ModuleType(parts[depth - 1]))
    vars(module).update(members)


def try_nemo_gym():
    import aiohttp
    import pydantic

    # NeMo-Gym needs Python 3.13: its base classes as far as the recipe sees them.
    class Request(pydantic.BaseModel):
        responses_create_params: dict
        response: dict

    class Response(Request):
        reward: float
        mask_sample: bool = False
        failure_reason: str | None = None

    class Server(pydantic.BaseModel):
        pass

    class Answer:
        def __init__(self, ok, body):
            self.ok, self.body = ok, body

        async def json(self):
            return self.body

    async def request(method, url, **options):
        async with aiohttp.ClientSession() as session, session.request(method, url, **options) as response:
            return Answer(response.ok, await response.json())

    async def raise_for_status(response):
        assert response.ok, response.body

    stand_in(
        "nemo_gym.base_resources_server",
        BaseResourcesServerConfig=pydantic.BaseModel,
        BaseVerifyRequest=Request,
        BaseVerifyResponse=Response,
        SimpleResourcesServer=Server,
    )
    stand_in("nemo_gym.server_utils", request=request, raise_for_status=raise_for_status)
    gavel = example("nemo_gym")
    config = gavel.GavelConfig(gavel_url=BASE_URL, gavel_reward="both", gavel_key=KEY)
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "p=0.75 #### 5"}]}]
    body = gavel.GavelVerifyRequest(
        responses_create_params={"input": "What is 2 + 3?"},
        response={"output": output},
        expected_answer="5",
        uuid="u",
    )
    verified = asyncio.run(gavel.GavelServer(config=config).verify(body))
    near(verified.reward, (1 + 0.75) / 2)
    assert verified.uuid == "u" and not verified.mask_sample, verified
    near(verified.reward_components["judge_reward"], 0.75)
    return "verify of examples/nemo_gym.py"


def try_serve():
    import openai
    import pydantic

    client = openai.OpenAI(base_url=f"{SERVE_URL}/v1", api_key="none", max_retries=0)
    model = client.models.list().data[0].id

    # What OpenAI's Python counts in must be what the server counts in.
    vllm = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "return_token_ids": True}
    choice = client.completions.create(
        model=model, prompt="Tom has 🍎 3.", max_tokens=8, logprobs=2, echo=True, seed=1, extra_body=vllm
    ).choices[0]
    tokens, offsets = choice.logprobs.tokens, choice.logprobs.text_offset
    assert "".join(tokens) == choice.text and choice.text.startswith("Tom has 🍎 3.")
    assert all(choice.text[at : at + len(token)] == token for at, token in zip(offsets, tokens))
    assert len(choice.token_ids) == 8

    class Score(pydantic.BaseModel):
        score: int = pydantic.Field(ge=1, le=5)
        label: typing.Literal["good", "bad 🍎"]
        note: typing.Optional[bool]

    ask = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 250}
    parsed = client.chat.completions.parse(**ask, response_format=Score, seed=2, temperature=0.5)
    assert 1 <= parsed.choices[0].message.parsed.score <= 5
    for wrong, name in [({"tools": [{"type": "function"}]}, "tools"), ({"min_P": 0.1}, "min_P")]:
        try:
            client.chat.completions.create(**ask, extra_body=wrong)
            raise AssertionError(f"{name} was taken")
        except openai.BadRequestError as error:
            assert error.param == name, error
    return "tokens and offsets of gavel serve in Python's counting, vLLM's fields, a pydantic model, refusals"


CHECKS = {
    "openai": try_openai,
    "serve": try_serve,
    "reward servers": try_reward_servers,
    "aws lambda": try_aws_lambda,
    "verl": try_verl,
    "nemo-gym": try_nemo_gym,
    "verifiers": try_verifiers,
    "areal": try_areal,
    "trl": try_trl,
}
for name, check in CHECKS.items():
    print(f"ok   {name}: {check()}", flush=True)
