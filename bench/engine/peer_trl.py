"""TRL's side of one GRPO step, in a process of its own: `python peer_trl.py WORKLOAD` prints a measurement.

The step takes as many prompts and completions as ours, of the same lengths, and the same reward; micro-batches of 8.
"""
import json
import re
import sys
import tempfile
import time

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

MICRO_BATCH = 8

workload = json.loads(sys.argv[1])
rows, tokens, new_tokens, group = (workload[name] for name in ("rows", "tokens", "newTokens", "group"))
torch.set_num_threads(workload["threads"])
torch.manual_seed(0)
config = {key: value for key, value in workload["config"].items() if key != "model_type"}
model = LlamaForCausalLM(LlamaConfig(**config, bos_token_id=0, pad_token_id=0, eos_token_id=1))

# A word is a token: "w17" is 17.
vocabulary = {f"w{i}": i for i in range(model.config.vocab_size)}
words = Tokenizer(models.WordLevel(vocabulary, unk_token="w2"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w1", bos_token="w0")
ids = torch.randint(3, model.config.vocab_size, (rows, tokens)).tolist()
prompts = Dataset.from_list([{"prompt": " ".join(f"w{i}" for i in row)} for row in ids])


def even_ids(completion_ids, **_):
    return [sum(i % 2 == 0 for i in completion) / len(completion) for completion in completion_ids]


class Clock(TrainerCallback):
    """Seconds of each step, from before its sampling to after its update."""

    seconds = []

    def on_step_begin(self, *_, **__):
        self.start = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.start)


with tempfile.TemporaryDirectory() as folder:
    settings = GRPOConfig(
        output_dir=folder,
        max_steps=workload["repeats"] + workload["warmUp"],
        per_device_train_batch_size=MICRO_BATCH,
        gradient_accumulation_steps=rows * group // MICRO_BATCH,
        num_generations=group,
        max_completion_length=new_tokens,
        generation_kwargs={"min_new_tokens": new_tokens},
        learning_rate=1e-6,
        temperature=1.0,
        beta=0.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = GRPOTrainer(
        model, even_ids, args=settings, train_dataset=prompts, processing_class=tokenizer, callbacks=[Clock()]
    )
    trainer.train()

measured = Clock.seconds[int(workload["warmUp"]) :]
seconds = sum(measured) / len(measured)
megabytes = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1000
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
