"""A reward for ms-swift that asks Gavel.

    swift rlhf --rlhf_type grpo --external_plugins ms_swift.py --reward_funcs gavel ...

GAVEL_URL, GAVEL_REWARD (a recipe or a judge) and GAVEL_KEY come from the environment. The gold answer is the dataset's
column `solution`, where it has one.
"""

import os

import aiohttp
from swift.rewards import AsyncORM, orms


class Gavel(AsyncORM):
    async def __call__(self, completions, messages=None, solution=None, **_):
        # The last message is the completion itself.
        prompts = [chat[:-1] for chat in messages]
        body = {"prompts": prompts, "completions": completions, "columns": {"solution": solution} if solution else {}}
        url = f"{os.environ['GAVEL_URL']}/compat/trl/{os.environ['GAVEL_REWARD']}"
        headers = {"authorization": f"Bearer {os.environ['GAVEL_KEY']}"}
        async with aiohttp.ClientSession() as session:
            query = {"answer": "solution"} if solution else {}
            async with session.post(url, params=query, json=body, headers=headers, raise_for_status=True) as response:
                results = (await response.json())["results"]
        # ms-swift needs numbers: the middle where the judge gave none.
        return [0.5 if result["reward"] is None else result["reward"] for result in results]


orms["gavel"] = Gavel
