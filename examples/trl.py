"""A reward function for TRL's trainers that asks Gavel.

    from gavel_trl import gavel_reward  # this file, copied beside your script: named trl.py it would hide TRL itself

    trainer = GRPOTrainer(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        train_dataset=dataset,  # with a column "prompt" and, where the truth is known, "answer"
        reward_funcs=gavel_reward("https://gavel.example", "maths", key="gvl_..."),
    )

"maths" is a reward recipe or a judge. Needs nothing but Python's own library.
"""

import asyncio
import json
import urllib.request


def gavel_reward(base_url, reward, key, answer=None, timeout=180):
    """Returns an async reward function; `answer` names the column of gold answers when it is not "answer"."""
    url = f"{base_url}/compat/trl/{reward}" + (f"?answer={answer}" if answer else "")
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    def post(body):
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["results"]

    async def gavel(prompts, completions, log_extra=None, **columns):
        kept = {name: list(values) for name, values in columns.items() if is_column(values, len(prompts))}
        body = {"prompts": prompts, "completions": completions, "columns": kept}
        results = await asyncio.to_thread(post, body)
        if log_extra:
            log_extra("judge_p", [result["p"] for result in results])
        # None, where the judge gave no score: TRL leaves the completion out.
        return [result["reward"] for result in results]

    return gavel


def is_column(values, rows):
    """Whether these are a value for each prompt that JSON can carry: token ids and the trainer's state are not sent."""
    plain = (str, int, float, bool, type(None))
    return isinstance(values, list) and len(values) == rows and all(isinstance(value, plain) for value in values)
