"""The peer's side of the judge's rows: `python judge_peer.py WORKLOAD` prints seconds for all questions, by way.

PyTorch in fp32 and transformers: one text at a time; the answers to a question as one padded batch; and the question
once, its cache repeated for a padded batch of the answers. Only the last position meets the vocabulary in each.
"""

import json
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

workload = json.loads(sys.argv[1])
torch.set_num_threads(workload["threads"])
torch.manual_seed(0)
config = {key: value for key, value in workload["config"].items() if key != "model_type"}
model = LlamaForCausalLM(LlamaConfig(**config)).eval()
lengths = workload["answerTokens"]
draw = lambda length: torch.randint(3, model.config.vocab_size, (length,))  # noqa: E731
questions = [draw(workload["questionTokens"]) for _ in range(workload["questions"])]
groups = [(question, [draw(length) for length in lengths]) for question in questions]
last = torch.tensor(lengths) - 1


def labels(logits):
    """Log-probabilities of two labels, [rows, 2]."""
    return torch.log_softmax(logits, -1)[:, :2]


def one_by_one(question, answers):
    return torch.cat(
        [labels(model(torch.cat([question, answer])[None], logits_to_keep=1).logits[:, -1]) for answer in answers]
    )


def hidden_to_labels(hidden, at):
    return labels(model.lm_head(hidden[torch.arange(len(at)), at]))


def padded(texts):
    return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)


def batched(question, answers):
    texts = [torch.cat([question, answer]) for answer in answers]
    ids = padded(texts)
    mask = padded([torch.ones_like(text) for text in texts])
    hidden = model.model(ids, attention_mask=mask).last_hidden_state
    return hidden_to_labels(hidden, last + len(question))


def shared(question, answers):
    cache = model.model(question[None], use_cache=True).past_key_values
    cache.batch_repeat_interleave(len(answers))
    ids = padded(answers)
    mask = padded([torch.ones(len(question) + len(answer), dtype=torch.long) for answer in answers])
    positions = torch.arange(len(question), len(question) + ids.shape[1])[None].expand(len(answers), -1)
    hidden = model.model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache).last_hidden_state
    return hidden_to_labels(hidden, last)


seconds = {}
with torch.inference_mode():
    reference = one_by_one(*groups[0])
    for way in (one_by_one, batched, shared):
        torch.testing.assert_close(way(*groups[0]), reference, atol=1e-4, rtol=1e-4)
        started = time.perf_counter()
        for group in groups:
            way(*group)
        seconds[way.__name__] = time.perf_counter() - started
print(json.dumps(seconds))
