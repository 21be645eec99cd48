"""Decisions of OpenAI's API, made by a judge of yours: only the base URL is another.

    pip install openai
    GAVEL_URL=https://gavel.example GAVEL_KEY=gvl_... GAVEL_JUDGE=maths python openai_decisions.py

OpenAI's SDK for Node has `client.decisions.create`; this posts the same with any version of the one for Python.
"""

import os

from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['GAVEL_URL']}/v1", api_key=os.environ["GAVEL_KEY"])


def decide(text):
    """Answers by the name of their question."""
    questions = [
        {"type": "predicate", "name": "right", "instructions": "The answer is right."},
        {
            "type": "choice",
            "name": "kind",
            "instructions": "What is the question about?",
            "choices": [{"value": "sums"}, {"value": "words", "description": "anything but sums"}],
        },
        {
            "type": "score",
            "name": "clear",
            "instructions": "How clear is the answer?",
            "levels": [{"label": "muddled"}, {"label": "plain"}, {"label": "clear"}],
        },
    ]
    body = {"model": os.environ["GAVEL_JUDGE"], "input": text, "questions": questions}
    answers = client.post("/decisions", cast_to=object, body=body)["answers"]
    return {answer["name"]: answer for answer in answers}


answers = decide("Question: What is 2 + 3? Answer: It is 5.")
# What the judge would not answer is a "refusal", which has no number.
for name, field in {"right": "probability", "kind": "choice", "clear": "score"}.items():
    print(f"{name}: {answers[name].get(field, 'refused')}")
