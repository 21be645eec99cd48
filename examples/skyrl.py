"""An environment for SkyRL whose reward is Gavel's.

    from skyrl_gym.envs import register
    register(id="gavel", entry_point="gavel_skyrl:GavelEnv")  # this file, copied beside your script

GAVEL_URL, GAVEL_REWARD (a recipe or a judge) and GAVEL_KEY come from the environment. The gold answer is the row's
`reward_spec.ground_truth`, where it has one.
"""

import json
import os
import urllib.request

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput


class GavelEnv(BaseTextEnv):
    def __init__(self, env_config, extras=None):
        super().__init__()
        self.answer = (extras or {}).get("reward_spec", {}).get("ground_truth")
        self.prompt = []

    def init(self, prompt):
        self.prompt = prompt
        return prompt, {}

    def step(self, action):
        url = f"{os.environ['GAVEL_URL']}/compat/trl/{os.environ['GAVEL_REWARD']}"
        headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['GAVEL_KEY']}"}
        body = {"prompts": [self.prompt], "completions": [action], "columns": {"answer": [self.answer]}}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=180) as response:
            result = json.load(response)["results"][0]
        # SkyRL needs a number: the middle where the judge gave none, and the outcome beside it.
        reward = 0.5 if result["reward"] is None else result["reward"]
        return BaseTextEnvStepOutput(observations=[], reward=reward, done=True, metadata={"outcome": result["outcome"]})
