"""Makes ../fixtures/rl/updates.json: what TRL and verl make of the same rollouts, update by update.

    GAVEL_TEST_PYTHON's environment (requirements.txt), and
    pip install --no-deps verl==0.9.1 tensordict omegaconf codetiming pyvers orjson cloudpickle
    python test/python/policy_updates.py > test/fixtures/rl/updates.json && npx prettier --write test/fixtures/rl/updates.json

A real GRPOTrainer of TRL trains a real model (../fixtures/parity/llama, in double precision) on given rollouts: its
own advantages, masks, losses, clipping of gradients and AdamW. Only two things are given to it: what was sampled, and
which rollouts go together in an update. Where TRL has no such algorithm, the advantages and losses are verl's functions
on the same model and optimizer (verl's package imports ray, which none of these needs; a stand-in takes its place).
"""

import copy
import json
import os
import pathlib
import sys
import tempfile
from types import SimpleNamespace
from unittest.mock import MagicMock

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
for module in ["ray", "ray.util", "ray.util.collective", "hydra", "ray.experimental", "ray.experimental.state"]:
    sys.modules.setdefault(module, MagicMock())

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
from trl import GRPOConfig, GRPOTrainer
from verl.trainer.ppo import core_algos as verl
from verl.workers.config import ActorConfig

HERE = pathlib.Path(__file__).parent
MODEL = HERE.parent / "fixtures/parity/llama"
PAD, EOS = 1, 2
GROUP, PROMPTS, MAX_TOKENS = 4, 3, 6
COUNT = GROUP * PROMPTS
TEMPERATURE = 0.8
OPTIMIZER = {"learning_rate": 0.0015, "adam_epsilon": 1e-3, "clip_norm": 0.5, "beta1": 0.9, "beta2": 0.99}
# Large enough that ratios leave their bounds after an update; eps keeps Adam from turning rounding into steps.

torch.manual_seed(0)
torch.set_num_threads(1)
rng = np.random.default_rng(11)
draw = lambda n: rng.integers(3, 160, n).tolist()
prompts = [draw(n) for n in (3, 5, 4)]
lengths = rng.integers(1, MAX_TOKENS, COUNT).tolist()
# Every third is cut off at the limit; the others end.
cut = [i % 3 == 1 for i in range(COUNT)]
completions = [draw(MAX_TOKENS) if cut[i] else [*draw(n), EOS][:MAX_TOKENS] for i, n in enumerate(lengths)]
for i, ids in enumerate(completions):
    ids[-1] = 7 if cut[i] else EOS
rewards = [round(x, 2) for x in rng.uniform(0, 1, COUNT)]
rewards[GROUP : 2 * GROUP] = [0.4] * GROUP  # A group without spread …
rewards[2 * GROUP + 1] = None  # … and one with an answer that got no score.
whole = [*range(COUNT)]


def orders(kept, epochs, minibatches, fill=()):
    """For each epoch which of the kept rows make each update, as equal parts; `fill`: rows that teach nothing, shared out."""
    parts = []
    for _ in range(epochs):
        order = rng.permutation(len(kept)).tolist()
        size = len(kept) // minibatches
        assert size * minibatches == len(kept) and len(fill) % minibatches == 0
        share = len(fill) // minibatches
        parts.append(
            {"order": order,
             "rows": [[kept[i] for i in order[m * size : (m + 1) * size]] + [*fill[m * share : (m + 1) * share]]
                      for m in range(minibatches)]}
        )  # fmt: skip
    return parts


def open_model():
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="sdpa")


def other_model(amount=0.02):
    """The reference: near the policy, and not it."""
    model = open_model()
    noise = torch.Generator().manual_seed(5)
    for parameter in model.parameters():
        shift = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
        parameter.data += amount * shift
    return model.eval()


class Watch:
    """Losses and gradient norms as a trainer reports them, and what became of the weights."""

    def __init__(self, model):
        self.before = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.losses, self.norms = [], []
        self.tokens, self.sums = 0, {}

    def add(self, tokens, **means):
        """Means over the tokens of an update that teach."""
        self.tokens += tokens
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean * tokens

    def outcome(self, model, case, more):
        moved = {name: (p.detach() - self.before[name]) for name, p in model.named_parameters() if name in self.before}
        return {
            **case,
            "losses": self.losses,
            "gradient_norms": self.norms,
            "means": {name: total / self.tokens for name, total in self.sums.items()},
            "moved": {name: [d.abs().sum().item(), d.sum().item()] for name, d in moved.items()},
            **more,
        }


words = {**{f"t{i}": i for i in range(160)}}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="t3")), eos_token="t2", pad_token="t1")
tokenizer.backend_tokenizer.pre_tokenizer = Whitespace()


def ragged(x, rows=whole):
    return [row[: len(completions[i])] for i, row in zip(rows, x.tolist())]


class OnGivenRollouts(GRPOTrainer):
    """TRL's trainer, told which rollouts make each update; keeps what it computed."""

    def _prepare_inputs(self, generation_batch):
        at = self._step % (self.args.steps_per_generation * self.num_iterations)
        if at == 0:
            self.generated = self._generate_and_score_completions(generation_batch)
        epoch, part = divmod(at, self.args.steps_per_generation)
        rows = torch.tensor(self.parts[epoch]["rows"][part])
        pick = lambda v: v[rows] if torch.is_tensor(v) and v.dim() > 0 and v.size(0) == COUNT else v
        return {name: pick(value) for name, value in self.generated.items()}

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.watch.losses.append(loss.item())
        clipped = self._metrics["train"]["clip_ratio/region_mean"]
        # Of sequences, or of rows that teach nothing, TRL's share is another than ours.
        if clipped and self.importance_sampling_level == "token" and self.teaches_all:
            self.watch.add(args[1]["completion_mask"].sum().item(), clipped=clipped[-1])
        return loss

    def log(self, logs, *args, **kwargs):
        if "grad_norm" in logs:
            self.watch.norms.append(logs["grad_norm"])
        super().log(logs, *args, **kwargs)


def trl(config, parts, given_rewards=rewards, **settings):
    epochs, minibatches = len(parts), len(parts[0]["rows"])
    batch = COUNT // minibatches
    args = GRPOConfig(
        output_dir=tempfile.mkdtemp(), report_to=[], disable_tqdm=True, use_cpu=True, bf16=False, seed=1,
        logging_steps=1, save_strategy="no", shuffle_dataset=False, per_device_train_batch_size=batch,
        steps_per_generation=minibatches, num_iterations=epochs, max_steps=epochs * minibatches,
        num_generations=GROUP, max_completion_length=MAX_TOKENS, temperature=TEMPERATURE, gradient_checkpointing=False,
        learning_rate=OPTIMIZER["learning_rate"], lr_scheduler_type="constant", warmup_steps=0, weight_decay=0.0,
        adam_beta1=OPTIMIZER["beta1"], adam_beta2=OPTIMIZER["beta2"], adam_epsilon=OPTIMIZER["adam_epsilon"],
        max_grad_norm=OPTIMIZER["clip_norm"], optim="adamw_torch", **settings,
    )  # fmt: skip
    rollouts = {
        "prompt_ids": [prompts[i // GROUP] for i in whole],
        "completion_ids": completions,
        "logprobs": [[0.0] * len(c) for c in completions],
    }
    model = open_model()
    trainer = OnGivenRollouts(
        model=model, args=args, processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": [f"t{3 + p}" for p in range(PROMPTS)]}),
        reward_funcs=lambda completions, **_: given_rewards, rollout_func=lambda _prompts, _trainer: rollouts,
    )  # fmt: skip
    # Dropout there is none; TRL leaves the model in training mode, which changes nothing in it.
    if settings.get("beta"):
        trainer.ref_model.double().load_state_dict(other_model().state_dict())
    trainer.parts, trainer.watch = parts, Watch(model)
    trainer.teaches_all = len(parts[0]["order"]) == COUNT
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    kept = trainer.generated
    more = {"old": ragged(kept["old_per_token_logps"]), "advantages": kept["advantages"].tolist()}
    if "ref_per_token_logps" in kept:
        more["reference"] = ragged(kept["ref_per_token_logps"])
    return trainer.watch.outcome(model, {"source": "TRL", "config": config, "parts": parts, "rewards": given_rewards}, more)


# ---- verl's functions on the same model


def batch_of(rows):
    """Prompts padded on the left, completions on the right, as both libraries have them."""
    width = max(len(prompts[i // GROUP]) for i in rows)
    longest = max(len(completions[i]) for i in rows)
    ids = torch.tensor([[PAD] * (width - len(prompts[i // GROUP])) + prompts[i // GROUP] + completions[i]
                        + [PAD] * (longest - len(completions[i])) for i in rows])  # fmt: skip
    attention = torch.tensor([[0] * (width - len(prompts[i // GROUP])) + [1] * (len(prompts[i // GROUP]) + len(completions[i]))
                              + [0] * (longest - len(completions[i])) for i in rows])  # fmt: skip
    mask = torch.tensor([[1.0] * len(completions[i]) + [0.0] * (longest - len(completions[i])) for i in rows], dtype=torch.float64)
    return ids, attention, mask, longest


def forward(model, rows, head=None):
    ids, attention, mask, longest = batch_of(rows)
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=attention, position_ids=positions, output_hidden_states=True)
    logits = out.logits[:, -longest - 1 : -1] / TEMPERATURE
    logprobs = torch.log_softmax(logits, -1).gather(2, ids[:, -longest:].unsqueeze(2)).squeeze(2)
    values = None if head is None else (out.hidden_states[-1][:, -longest - 1 : -1] @ head[0] + head[1]) * mask
    return logprobs * mask, values, mask


def token_rewards_of(beta, old, reference, mask, given, estimator):
    """verl's apply_kl_penalty: −β·KL at each token, the reward at the last."""
    kl = verl.kl_penalty(old, reference, estimator) * mask
    tokens = -beta * kl
    for row, (i, reward) in enumerate(zip(whole, given)):
        if reward is not None:
            tokens[row, len(completions[i]) - 1] += reward
    return tokens


def actor(clip_low, clip_high, dual, total_tokens=None, rows=None):
    config = ActorConfig(
        strategy="fsdp", rollout_n=1, ppo_mini_batch_size=8, ppo_micro_batch_size_per_gpu=8, clip_ratio=clip_low,
        clip_ratio_low=clip_low, clip_ratio_high=clip_high, clip_ratio_c=dual or 1e30,
    )  # fmt: skip
    config.global_batch_info.update({"batch_num_tokens": total_tokens, "global_batch_size": rows, "dp_size": 1})
    return config


def run_verl(config, parts, advantages_of, *, aggregate, masked=False, clip=(0.2, 0.2), dual=0.0, kl_loss=None, cap=0.0,
             value=None, given_rewards=rewards):  # fmt: skip
    """Epochs of updates by verl's losses; a part's loss is weighed as its share of the whole batch."""
    model, reference_model = open_model(), other_model()
    head = None
    groups = [{"params": [*model.parameters()], "lr": OPTIMIZER["learning_rate"]}]
    if value is not None:
        head = [torch.zeros(48, dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64, requires_grad=True)]
        start = torch.Generator().manual_seed(3)
        head[0].data = 0.3 * torch.randn(48, generator=start, dtype=torch.float64)
        head[1].data += 0.1
        groups.append({"params": head, "lr": value["learning_rate"]})
    optimizer = torch.optim.AdamW(
        groups, betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["adam_epsilon"], weight_decay=0.0
    )
    with torch.no_grad():
        old, values, mask = forward(model, whole, head)
        reference, _, _ = forward(reference_model, whole)
    given = {"head": [head[0].tolist(), head[1].tolist()]} if head else {}
    sampler = old.clone()
    if cap:
        sampler = old + torch.tensor(rng.uniform(-0.4, 0.4, old.shape)) * mask
    weights = torch.exp(old - sampler).clamp(max=cap) if cap else torch.ones_like(old)
    made = advantages_of(old, reference, mask, values)
    advantages, returns = made if isinstance(made, tuple) else (made, None)
    # A cut-off answer is left out of the loss and does not count; one without advantage counts.
    teaches = torch.tensor([not (masked and cut[i]) for i in whole]).double().unsqueeze(1) * mask
    if value is not None:
        teaches = teaches * torch.tensor([float(r is not None) for r in given_rewards]).unsqueeze(1)
    watch = Watch(model)
    value_losses = []
    for part in parts:
        for rows in part["rows"]:
            logprobs, vpreds, _ = forward(model, rows, head)
            width = logprobs.size(1)
            of = lambda x: x[rows, :width]
            share = len(part["rows"])
            counted = (teaches.sum(1) > 0).sum().item()
            info = actor(*clip, dual, teaches.sum().item() / share, counted / share)
            info.global_batch_info["loss_scale_factor"] = MAX_TOKENS
            loss, said = verl.compute_policy_loss_vanilla(
                of(old), logprobs, of(advantages), of(teaches), aggregate, info, of(weights)
            )
            if kl_loss:
                estimate = verl.kl_penalty(logprobs, of(reference), kl_loss[0])
                loss = loss + kl_loss[1] * verl.agg_loss(estimate, of(teaches), aggregate, **info.global_batch_info)
            if value is not None:
                value_loss, _ = verl.compute_value_loss(
                    vpreds, of(returns), of(values), of(teaches), value["clip"], aggregate, **info.global_batch_info
                )
                value_losses.append(value_loss.item())
                loss = loss + value["coefficient"] * value_loss
            tokens = of(teaches).sum()
            with torch.no_grad():
                gap = logprobs - of(old)  # In closed form: verl's k3 ends at 10.
                moved = torch.expm1(gap) - gap
                means = {"clipped": said["actor/pg_clipfrac"], "divergence": ((moved * of(teaches)).sum() / tokens).item()}
                if value is not None:
                    means["value_loss"] = (((vpreds - of(returns)) ** 2 / 2 * of(teaches)).sum() / tokens).item()
            watch.add(tokens.item(), **means)
            optimizer.zero_grad()
            loss.backward()
            everything = [p for group in groups for p in group["params"]]
            watch.losses.append(loss.item())
            watch.norms.append(torch.nn.utils.clip_grad_norm_(everything, OPTIMIZER["clip_norm"]).item())
            optimizer.step()
    more = {"old": ragged(old), "reference": ragged(reference), "sampler": ragged(sampler), **given}
    if value is not None:
        more |= {"values": ragged(values), "returns": ragged(returns),
                 "head_after": [head[0].tolist(), head[1].tolist()]}  # fmt: skip
    return watch.outcome(model, {"source": "verl", "config": config, "parts": parts, "rewards": given_rewards}, more)


index = np.array([i // GROUP for i in whole])
scored = [i for i in whole if rewards[i] is not None]
full = [0.13 if r is None else r for r in rewards]  # verl knows no answer without a score.
flat = [*range(GROUP, 2 * GROUP)]
spread = [i for i in whole if i not in flat]
taught = [i for i in spread if rewards[i] is not None]  # 7 rows
no_flat = [round(r + 0.03 * (i % GROUP), 2) if i in flat else r for i, r in enumerate(full)]
first = lambda given: torch.tensor([[r, *[0.0] * (MAX_TOKENS - 1)] for r in given], dtype=torch.float64)


def rloo(beta):
    def advantages(old, reference, mask, _):
        tokens = token_rewards_of(beta, old, reference, mask, no_flat, "k1")
        return verl.compute_rloo_outcome_advantage(tokens, mask, index)[0]
    return advantages


def reinforce(beta):
    def advantages(old, reference, mask, _):
        tokens = token_rewards_of(beta, old, reference, mask, full, "k1")
        return verl.compute_reinforce_plus_plus_outcome_advantage(tokens, mask, config=SimpleNamespace(gamma=1.0))[0]
    return advantages


def group(old, reference, mask, _):
    return verl.compute_grpo_outcome_advantage(first(no_flat)[:, : mask.size(1)], mask, index, 1e-4)[0]


def gae(beta, gamma, lam):
    def advantages(old, reference, mask, values):
        tokens = token_rewards_of(beta, old, reference, mask, full, "k1")
        return verl.compute_gae_advantage_return(tokens, values, mask, gamma, lam)
    return advantages


uncut = [i for i in whole if not cut[i]]  # 8 rows
CASES = {
    # 8 rows with spread (one of them without a score) and 4 without: TRL's updates hold both, ours what teaches.
    "grpo": lambda: trl({"algorithm": "grpo"}, orders(spread, 2, 2, flat), full,
                        loss_type="grpo", epsilon=0.2, scale_rewards="group", beta=0.0),
    "grpo, an answer without a score": lambda: trl({"algorithm": "grpo"}, orders(taught, 3, 1, [*flat, 2 * GROUP + 1]),
                        loss_type="grpo", epsilon=0.2, scale_rewards="group", beta=0.0),
    "grpo, KL in the loss": lambda: trl({"algorithm": "grpo", "kl_coefficient": 0.3}, orders(whole, 2, 3),
                        loss_type="grpo", epsilon=0.2, scale_rewards="group", beta=0.3, use_bias_correction_kl=False),
    "dr_grpo": lambda: trl({"algorithm": "dr_grpo"}, orders(spread, 2, 2, flat), full,
                        loss_type="dr_grpo", epsilon=0.2, scale_rewards="none", beta=0.0),
    "dapo": lambda: trl({"algorithm": "dapo", "overlong_penalty": 0}, orders([i for i in spread if not cut[i]], 2, 1, [i for i in whole if cut[i] or i in flat]), full,
                        loss_type="dapo", epsilon=0.2, epsilon_high=0.28, scale_rewards="group", beta=0.0, mask_truncated_completions=True),
    "dapo, nothing masked": lambda: trl({"algorithm": "dapo", "overlong_penalty": 0, "overlong_mask": False}, orders(whole, 2, 4), no_flat,
                        loss_type="dapo", epsilon=0.2, epsilon_high=0.28, scale_rewards="group", beta=0.0),
    "gspo": lambda: trl({"algorithm": "gspo", "clip_low": 0.03, "clip_high": 0.04}, orders(whole, 2, 2), no_flat,
                        loss_type="grpo", importance_sampling_level="sequence", epsilon=0.03, epsilon_high=0.04, scale_rewards="group", beta=0.0),
    "cispo": lambda: trl({"algorithm": "cispo", "clip_high": 0.1}, orders(whole, 2, 3), no_flat,
                        loss_type="cispo", epsilon=0.2, epsilon_high=1.1, scale_rewards="group", beta=0.0),
    "advantages by the batch": lambda: trl({"algorithm": "grpo", "advantage": "batch"}, orders(whole, 1, 2), no_flat,
                        loss_type="grpo", epsilon=0.2, scale_rewards="batch", beta=0.0),
    "rloo": lambda: run_verl({"algorithm": "rloo", "kl_coefficient": 0.2}, orders(whole, 2, 2), rloo(0.2),
                        aggregate="seq-mean-token-sum", given_rewards=no_flat),
    "reinforce++": lambda: run_verl({"algorithm": "reinforce++", "kl_coefficient": 0.2}, orders(whole, 2, 3), reinforce(0.2),
                        aggregate="token-mean", given_rewards=full),
    "reinforce++, masked": lambda: run_verl({"algorithm": "reinforce++", "kl_coefficient": 0.2, "overlong_mask": True}, orders(uncut, 2, 2), reinforce(0.2),
                        aggregate="token-mean", masked=True, given_rewards=full),
    "grpo, masked": lambda: run_verl({"algorithm": "grpo", "overlong_mask": True}, orders(uncut, 2, 2), group,
                        aggregate="seq-mean-token-mean", masked=True, given_rewards=no_flat),
    "dual clip": lambda: run_verl({"algorithm": "grpo", "aggregate": "token_mean", "dual_clip": 1.05}, orders(whole, 2, 3), group,
                        aggregate="token-mean", dual=1.05, given_rewards=no_flat),
    "k2 in the loss": lambda: run_verl({"algorithm": "dr_grpo", "advantage": "group", "kl_coefficient": 0.3, "kl_estimator": "k2"}, orders(whole, 2, 2), group,
                        aggregate="seq-mean-token-sum-norm", kl_loss=("k2", 0.3), given_rewards=no_flat),
    "importance weights": lambda: run_verl({"algorithm": "dapo", "overlong_mask": False, "overlong_penalty": 0, "importance_cap": 1.2}, orders(whole, 2, 2), group,
                        aggregate="token-mean", clip=(0.2, 0.28), cap=1.2, given_rewards=no_flat),
    "ppo": lambda: run_verl({"kl_coefficient": 0.2, "gamma": 0.97, "gae_lambda": 0.9, "value_clip": 0.05, "value_coefficient": 0.7, "value_learning_rate": 0.05},
                        orders(whole, 2, 3), gae(0.2, 0.97, 0.9), aggregate="token-mean", given_rewards=full,
                        value={"clip": 0.05, "coefficient": 0.7, "learning_rate": 0.05}),
    "ppo, masked": lambda: run_verl({"kl_coefficient": 0.2, "gamma": 1, "gae_lambda": 0.95, "value_clip": 0.2, "value_coefficient": 5, "value_learning_rate": 0.01, "overlong_mask": True},
                        orders(uncut, 2, 4), gae(0.2, 1.0, 0.95), aggregate="token-mean", masked=True, given_rewards=full,
                        value={"clip": 0.2, "coefficient": 5, "learning_rate": 0.01}),
}  # fmt: skip



def rounded(value):
    """To nine digits, more than single precision keeps."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return {name: rounded(each) for name, each in value.items()} if isinstance(value, dict) else value


only = sys.argv[1:]
print(
    json.dumps(
        rounded({
            "source": "made by test/python/policy_updates.py with TRL 1.16.0 and verl 0.9.1",
            "model": "llama",
            "group_size": GROUP,
            "max_tokens": MAX_TOKENS,
            "temperature": TEMPERATURE,
            "optimizer": OPTIMIZER,
            "prompts": prompts,
            "completions": completions,
            "truncated": cut,
            "cases": {name: case() for name, case in CASES.items() if not only or name in only},
        })
    )
)
