"""A reward function for verl that asks Gavel.

    python -m verl.trainer.main_ppo ... \
        reward.custom_reward_function.path=gavel_verl.py reward.custom_reward_function.name=compute_score

GAVEL_URL, GAVEL_REWARD (a recipe or a judge) and GAVEL_KEY come from the environment. Needs aiohttp, as verl does.
"""

import os

import aiohttp


async def compute_score(data_source, solution_str, ground_truth, extra_info=None, **_):
    """One sample; Gavel judges those that come at the same moment together."""
    question = (extra_info or {}).get("question", "")
    url = f"{os.environ['GAVEL_URL']}/compat/trl/{os.environ['GAVEL_REWARD']}"
    body = {"prompts": [question], "completions": [solution_str], "columns": {"answer": [ground_truth]}}
    headers = {"authorization": f"Bearer {os.environ['GAVEL_KEY']}"}
    timeout = aiohttp.ClientTimeout(total=180)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with session.post(url, json=body, headers=headers, raise_for_status=True) as response:
            result = (await response.json())["results"][0]
    # verl needs a number: the middle where the judge gave none, and a column that says so.
    scored = result["reward"] is not None
    return {"score": result["reward"] if scored else 0.5, "judge_scored": float(scored)}
