"""Writes one model as transformers saves it in several ways: whole, in shards, in half precision and in bfloat16.

usage: write_models.py MODEL OUT; beside each folder OUT/NAME lies OUT/NAME.expected.safetensors in single precision
"""

import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

source, out = sys.argv[1:]
for name, dtype, shard in [
    ("whole", torch.float32, "1GB"),
    ("shards", torch.float32, "100KB"),
    ("float16", torch.float16, "1GB"),
    ("bfloat16-shards", torch.bfloat16, "100KB"),
]:
    model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
    model.save_pretrained(f"{out}/{name}", max_shard_size=shard)
    AutoTokenizer.from_pretrained(source).save_pretrained(f"{out}/{name}")
    tensors = {k: v.float().contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file(tensors, f"{out}/{name}.expected.safetensors")
