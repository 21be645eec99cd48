"""Holds the shards that Gavel wrote to those of huggingface_hub and transformers: the same files with the same tensors, and
the same index.

usage: check_shards.py FOLDER SHARD_BYTES: prints a line, exits 1 when something differs
"""

import json
import sys
import tempfile

from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

folder, shard_bytes = sys.argv[1], int(sys.argv[2])
with open(f"{folder}/model.safetensors.index.json") as file:
    text = file.read()
index = json.loads(text)
tensors = {}
for shard in sorted(set(index["weight_map"].values())):
    own = load_file(f"{folder}/{shard}")
    assert sorted(own) == sorted(name for name, place in index["weight_map"].items() if place == shard), shard
    tensors.update(own)
split = split_torch_state_dict_into_shards({name: tensors[name] for name in sorted(tensors)}, max_shard_size=shard_bytes)
assert index["weight_map"] == split.tensor_to_filename, "another split"
assert index["metadata"]["total_size"] == split.metadata["total_size"]
assert text == json.dumps(index, indent=2, sort_keys=True) + "\n", "another form of the index"

with tempfile.TemporaryDirectory() as out:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(out, max_shard_size=shard_bytes)
    with open(f"{out}/model.safetensors.index.json") as file:
        theirs = json.load(file)
assert index["metadata"] == theirs["metadata"], (index["metadata"], theirs["metadata"])
assert sorted(index["weight_map"]) == sorted(theirs["weight_map"])
print(f"ok   shards: {len(split.filename_to_tensors)} files, {len(tensors)} tensors")
