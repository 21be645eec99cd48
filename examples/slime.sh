#!/usr/bin/env bash
# slime with Gavel's reward: add these to the arguments of train.py. Its client sends no headers, so the key, made with
# "path_token": true, stands in the URL. With reward_key the answer is an object that also says the outcome.
set -euo pipefail

python3 train.py \
  --rm-type remote_rm \
  --rm-url "$GAVEL_URL/t/$GAVEL_KEY/compat/slime/$GAVEL_REWARD?reward_key=reward" \
  --reward-key reward --eval-reward-key reward \
  "$@"
