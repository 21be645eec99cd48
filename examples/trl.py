"""A reward function for TRL's trainers that asks Gavel.

    from gavel_trl import gavel_reward  # this file, copied beside your script: named trl.py it would hide TRL itself

    trainer = GRPOTrainer(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        train_dataset=dataset,  # with a column "prompt" and, where the truth is known, "answer"
        reward_funcs=gavel_reward(
            "https://gavel.example", "maths", key="gvl_...", eos_token_id=model.generation_config.eos_token_id
        ),
    )

"maths" is a reward recipe or a judge. With the ids that end an answer (one or a list), answers that were cut off by
max_completion_length do not pass the gate. Needs nothing but Python's own library.
"""

import asyncio
import json
import urllib.request


def gavel_reward(base_url, reward, key, answer=None, timeout=180, eos_token_id=None):
    """Returns an async reward function; `answer` names the column of gold answers when it is not "answer"."""
    url = f"{base_url}/compat/trl/{reward}" + (f"?answer={answer}" if answer else "")
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    ends = eos_token_id if isinstance(eos_token_id, (list, tuple, set)) else [eos_token_id]

    def post(body):
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["results"]

    async def gavel(prompts, completions, completion_ids=None, log_extra=None, **columns):
        kept = {name: values for name, values in columns.items() if is_column(values, len(prompts))}
        gold = answer or "answer"
        if gold in columns and gold not in kept:
            raise ValueError(f"the column {gold!r} of gold answers cannot be sent: its values must be what JSON can carry")
        body = {"prompts": prompts, "completions": completions, "columns": kept}
        if eos_token_id is not None and completion_ids is not None:
            body["finish_reasons"] = ["stop" if ids and ids[-1] in ends else "length" for ids in completion_ids]
        results = await asyncio.to_thread(post, body)
        if log_extra:
            log_extra("judge_p", [result["p"] for result in results])
        # None, where the judge gave no score: TRL leaves the completion out.
        return [result["reward"] for result in results]

    return gavel


def is_column(values, rows):
    """Whether these are a value for each prompt that JSON can carry, lists too: images and the trainer's state are not sent."""
    if not isinstance(values, list) or len(values) != rows:
        return False
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
