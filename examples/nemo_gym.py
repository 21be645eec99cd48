"""A resources server of NeMo-Gym, and so a reward for NeMo-RL, that has Gavel verify.

    resources_servers/gavel/app.py                 this file
    resources_servers/gavel/configs/gavel.yaml     nemo_gym.yaml beside it
    resources_servers/gavel/requirements.txt       as that of any other resources server

NeMo-Gym calls its servers by host and port alone, without a path or a key, so this one stands between. Rows are
NeMo-Gym's own; `expected_answer` is the gold answer, where one is known. A row that the judge gives no score comes back
with reward 0, `mask_sample` true and the reason in `failure_reason`.
"""

from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from nemo_gym.server_utils import raise_for_status, request
from pydantic import ConfigDict


class GavelConfig(BaseResourcesServerConfig):
    gavel_url: str
    gavel_reward: str  # a reward recipe or a judge
    gavel_key: str


class GavelVerifyRequest(BaseVerifyRequest):
    model_config = ConfigDict(extra="allow")


class GavelVerifyResponse(BaseVerifyResponse):
    model_config = ConfigDict(extra="allow")


class GavelServer(SimpleResourcesServer):
    config: GavelConfig

    async def verify(self, body: GavelVerifyRequest) -> GavelVerifyResponse:
        answer = await request(
            "POST",
            f"{self.config.gavel_url}/compat/nemo-gym/{self.config.gavel_reward}/verify",
            json=body.model_dump(mode="json", exclude_none=True),
            headers={"Authorization": f"Bearer {self.config.gavel_key}"},
        )
        await raise_for_status(answer)
        verified = await answer.json()
        return GavelVerifyResponse.model_validate(
            {**verified, "failure_reason": verified.get("_ng_failure_judge_error")}
        )


if __name__ == "__main__":
    GavelServer.run_webserver()
