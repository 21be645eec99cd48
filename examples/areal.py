"""A reward function for AReaL that asks Gavel.

    from gavel_areal import gavel_reward  # this file, copied beside your script

    workflow = RLVRWorkflow(reward_fn=gavel_reward, ...)

GAVEL_URL, GAVEL_REWARD (a recipe or a judge) and GAVEL_KEY come from the environment. The gold answer is the dataset's
column `answer`, where it has one. Needs nothing but Python's own library.
"""

import json
import os
import urllib.request


def gavel_reward(prompt, completions, prompt_ids, completion_ids, answer=None, **_):
    """One sample: AReaL calls it in threads of its own, and Gavel judges those that come together at once."""
    url = f"{os.environ['GAVEL_URL']}/compat/trl/{os.environ['GAVEL_REWARD']}"
    headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['GAVEL_KEY']}"}
    body = {"prompts": [prompt], "completions": [completions], "columns": {"answer": [answer]}}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=180) as response:
        reward = json.load(response)["results"][0]["reward"]
    # AReaL needs a number: the middle where the judge gave none.
    return 0.5 if reward is None else reward
