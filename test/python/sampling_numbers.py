"""Writes test/fixtures/sampling/expected.json: distributions of the next token as transformers makes them of logits.

    python test/python/sampling_numbers.py

The steps are those of vLLM's sampler, in its order; penalties of presence and frequency, which transformers lacks, are
their definition. Probabilities are of the last step, in float32 as there.
"""
import json
import pathlib

import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

V = 40
NEUTRAL = dict(temperature=1.0, min_p=0.0, top_k=0, top_p=1.0, repetition_penalty=1.0, frequency_penalty=0.0,
               presence_penalty=0.0, logit_bias={}, allowed=None, min_tokens=0)
CASES = [
    {}, dict(temperature=0.3), dict(temperature=1.7), dict(top_k=1), dict(top_k=5), dict(top_k=40), dict(top_p=0.5),
    dict(top_p=0.9), dict(top_p=0.999), dict(min_p=0.05), dict(min_p=0.5), dict(min_p=1.0),
    dict(repetition_penalty=1.3), dict(repetition_penalty=0.6), dict(presence_penalty=1.5), dict(presence_penalty=-0.7),
    dict(frequency_penalty=0.9), dict(frequency_penalty=-0.4), dict(logit_bias={3: 4.5, 17: -100.0}),
    dict(allowed=[1, 5, 9, 30]), dict(min_tokens=5), dict(temperature=0.7, top_k=12, top_p=0.8),
    dict(temperature=1.4, min_p=0.1, top_k=10, top_p=0.7),
    dict(temperature=0.8, min_p=0.02, top_k=20, top_p=0.95, repetition_penalty=1.2, frequency_penalty=0.3,
         presence_penalty=0.2, logit_bias={2: 2.0, 11: -3.0, 39: 1.0}, min_tokens=9),
]


def distribution(logits, prompt, output, ends, p):
    scores = logits.clone()[None]
    if p["allowed"] is not None:
        keep = torch.zeros(V, dtype=torch.bool)
        keep[p["allowed"]] = True
        scores = scores.masked_fill(~keep, -float("inf"))
    if len(output) < p["min_tokens"]:
        scores[:, ends] = -float("inf")
    ids = torch.tensor([prompt + output])
    if p["logit_bias"]:
        scores = SequenceBiasLogitsProcessor([[[int(k)], v] for k, v in p["logit_bias"].items()])(ids, scores)
    if p["repetition_penalty"] != 1:
        scores = RepetitionPenaltyLogitsProcessor(p["repetition_penalty"])(ids, scores)
    counts = torch.bincount(torch.tensor(output), minlength=V)[None]
    scores = scores - p["frequency_penalty"] * counts - p["presence_penalty"] * (counts > 0)
    scores = TemperatureLogitsWarper(p["temperature"])(ids, scores)
    if p["min_p"] > 0:
        scores = MinPLogitsWarper(p["min_p"])(ids, scores)
    if p["top_k"] > 0:
        scores = TopKLogitsWarper(p["top_k"])(ids, scores)
    if p["top_p"] < 1:
        scores = TopPLogitsWarper(p["top_p"])(ids, scores)
    return torch.softmax(scores, -1)[0]


generator = torch.Generator().manual_seed(7)
rows = []
for i, change in enumerate(CASES):
    params = {**NEUTRAL, **change}
    logits = torch.round(torch.randn(V, generator=generator) * 3 * 64) / 64
    prompt = torch.randint(0, V, (6,), generator=generator).tolist()
    output = torch.randint(0, V, (4,), generator=generator).tolist()
    output = output + output[:2]
    ends = [0, int(logits.argmax())]
    probabilities = distribution(logits, prompt, output, ends, params)
    rows.append(dict(change=change, logits=logits.tolist(), prompt=prompt, output=output, ends=ends,
                     probabilities=[round(x, 7) for x in probabilities.tolist()]))
path = pathlib.Path(__file__).parent.parent / "fixtures/sampling/expected.json"
path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
print(path, path.stat().st_size)
