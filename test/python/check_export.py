"""Loads a folder that Gavel wrote with transformers, and holds it to what Gavel says of it (expected.json).

usage: check_export.py FOLDER…: prints a line each, exits 1 when one misses
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ALLOWED = 1e-4
failed = False
for folder in sys.argv[1:]:
    with open(f"{folder}/expected.json") as file:
        expected = json.load(file)
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    model.eval()
    worst = 0.0
    for ids, logits in zip(expected["sequences"], expected["logits"]):
        with torch.no_grad():
            ours = model(torch.tensor([ids])).logits[0]
        worst = max(worst, (ours - torch.tensor(logits)).abs().max().item())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [t for t, ids in expected["texts"] if tokenizer.encode(t, add_special_tokens=False) != ids]
    missing = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    right = worst <= ALLOWED and model.dtype == torch.float32 and not texts and not missing
    failed |= not right
    print(f"{'ok  ' if right else 'MISS'} {folder.split('/')[-1]}: logits within {worst:.1e}", texts or "", missing or "")
sys.exit(failed)
