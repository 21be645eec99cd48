"""The peer's side of one measurement, in a process of its own: `python peer.py WORKLOAD` prints a measurement.

PyTorch eager in fp32 with its fused AdamW; transformers' generate with its default (SDPA) attention and KV cache.
"""
import json
import re
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

# As in workload.ts.
MICRO_BATCH_TOKENS = 2048

workload = json.loads(sys.argv[1])
rows, tokens, new_tokens = workload["rows"], workload["tokens"], workload["newTokens"]
slots, lengths = workload["slots"], workload.get("lengths") or [new_tokens] * rows
torch.set_num_threads(workload["threads"])
torch.manual_seed(0)
config = {key: value for key, value in workload["config"].items() if key != "model_type"}
model = LlamaForCausalLM(LlamaConfig(**config))
if workload.get("lora"):
    from peft import LoraConfig, get_peft_model

    rank = workload["lora"]
    adapters = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, adapters)
vocabulary = model.config.vocab_size
ids = torch.randint(3, vocabulary, (rows, tokens))


def train():
    """A full step: gradient of the mean cross-entropy, clipping, AdamW."""
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.1, fused=True)
    parts = ids.split(MICRO_BATCH_TOKENS // tokens)

    def step():
        optimizer.zero_grad()
        for part in parts:
            logits = model(input_ids=part).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), part[:, 1:].reshape(-1))
            (loss * len(part) / rows).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return step


def generate():
    model.eval()
    sampling = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, pad_token_id=0)

    @torch.no_grad()
    def run():
        for first in range(0, rows, slots):
            batch = ids[first : first + slots]
            # A batch goes on until its longest text is done.
            longest = max(lengths[first : first + slots])
            out = model.generate(
                batch,
                attention_mask=torch.ones_like(batch),
                max_new_tokens=longest,
                min_new_tokens=longest,
                **sampling,
            )
            assert out.shape == (len(batch), tokens + longest)

    return run


run = {"train": train, "generate": generate}[workload["kind"]]()
if workload["warmUp"]:
    run()
start = time.perf_counter()
for _ in range(workload["repeats"]):
    run()
seconds = (time.perf_counter() - start) / workload["repeats"]
megabytes = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1000
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
