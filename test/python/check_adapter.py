"""Loads the adapter of a LoRA checkpoint with peft, and holds base and adapter to what Gavel says of them merged.

usage: check_adapter.py BASE CHECKPOINT …: prints a line a pair, exits 1 when one misses
"""

import json
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

ALLOWED = 1e-4
failed = False
for base, checkpoint in zip(sys.argv[1::2], sys.argv[2::2]):
    with open(f"{checkpoint}/expected.json") as file:
        expected = json.load(file)
    plain = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
    with torch.no_grad():
        before = [plain(torch.tensor([ids])).logits[0] for ids in expected["sequences"]]
        model = PeftModel.from_pretrained(plain, checkpoint).eval()
        after = [model(torch.tensor([ids])).logits[0] for ids in expected["sequences"]]
    stored = load_file(f"{checkpoint}/adapter_model.safetensors")
    loaded = {name for name, _ in model.named_parameters() if ".lora_" in name}
    same = {name.replace(".default.", ".") for name in loaded} == set(stored)
    worst = max((ours - torch.tensor(theirs)).abs().max().item() for ours, theirs in zip(after, expected["logits"]))
    moved = max((one - other).abs().max().item() for one, other in zip(before, after))
    right = worst <= ALLOWED and moved > 100 * ALLOWED and same
    failed |= not right
    name = base.split("/")[-1]
    print(f"{'ok  ' if right else 'MISS'} {name}: logits within {worst:.1e}, moved by {moved:.2f}, {len(stored)} tensors")
sys.exit(failed)
