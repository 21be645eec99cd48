"""Part of `npm run test:python`: what transformers answers from a checkpoint, greedily, as JSON on stdout.

    round_trip.py NEW_TOKENS FOLDER…     each folder holds a model and conversations.json
"""

import json
import logging
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

logging.disable(logging.WARNING)
torch.set_num_threads(1)
new_tokens, *folders = sys.argv[1:]

out = []
for folder in folders:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answers = []
    for messages in json.load(open(f"{folder}/conversations.json")):
        inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        with torch.no_grad():
            whole = model.generate(**inputs, do_sample=False, max_new_tokens=int(new_tokens), pad_token_id=0)
        prompt, ids = whole[0].tolist()[: inputs["input_ids"].shape[1]], whole[0].tolist()[inputs["input_ids"].shape[1] :]
        text = tokenizer.decode(prompt + ids, skip_special_tokens=True)
        before = tokenizer.decode(prompt, skip_special_tokens=True)
        answers.append({"prompt": prompt, "ids": ids, "text": text[len(before) :]})
    out.append(answers)
print(json.dumps(out))
