#!/usr/bin/env bash
# OpenRLHF with Gavel's reward. Its client sends no headers, so the key stands in the URL: make one that may,
#   curl "$GAVEL_URL/v1/keys" -H "Authorization: Bearer $GAVEL_ADMIN_KEY" -H 'content-type: application/json' \
#     -d '{"name": "openrlhf", "scopes": ["judge"], "path_token": true}'
# Rows that the judge gives no score get 0.5 here; `extra_logs` counts them. The reward is a recipe or a judge.
set -euo pipefail

python -m openrlhf.cli.train_ppo_ray \
  --actor.model_name_or_path Qwen/Qwen2.5-0.5B-Instruct \
  --data.prompt_dataset prompts.jsonl --data.input_key prompt --data.label_key answer --data.apply_chat_template \
  --reward.remote_url "$GAVEL_URL/t/$GAVEL_KEY/compat/openrlhf/$GAVEL_REWARD?neutral=0.5" \
  "$@"
