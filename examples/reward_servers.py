"""Reward functions for what knows only a server of vLLM, SGLang or TEI: Gavel's judge behind that server's own routes.

    from reward_servers import vllm_scores, sglang_scores, tei_scores

    scores = vllm_scores("https://gavel.example", "maths", key="gvl_...")
    scores(["What is 2 + 3?"], ["It is 5."])  # [0.98], None where the judge gave no score

"maths" is a judge. A client of those servers needs only another base URL: {GAVEL}/compat/vllm/maths,
{GAVEL}/compat/sglang/maths or {GAVEL}/compat/tei/maths, with the key as its bearer token. Needs nothing but Python's own
library.
"""

import json
import urllib.request


def poster(url, key, timeout=180):
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    def post(body):
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)

    return post


def vllm_scores(gavel_url, judge, key):
    """P(Yes) of each question and answer by vLLM's /score."""
    post = poster(f"{gavel_url}/compat/vllm/{judge}/score", key)

    def scores(questions, answers):
        data = post({"model": judge, "queries": questions, "documents": answers})["data"]
        return [entry["score"] for entry in data]

    return scores


def sglang_scores(gavel_url, judge, key, label_token_ids):
    """P(first label) of each answer to one question by SGLang's /v1/score.

    `label_token_ids` are a token of yes and one of no, as the judge's tokenizer has them. A judge that is not local was
    created with them: {"label_token_ids": {"yes": [9454], "no": [2753]}, ...}.
    """
    post = poster(f"{gavel_url}/compat/sglang/{judge}/v1/score", key)

    def scores(question, answers):
        body = {"query": question, "items": answers, "label_token_ids": label_token_ids, "apply_softmax": True}
        # No probabilities at all where the judge gave no score.
        return [pair[0] if pair else None for pair in post({**body, "model": judge})["scores"]]

    return scores


def tei_scores(gavel_url, judge, key):
    """P(Yes) of each question and answer by TEI's /predict."""
    post = poster(f"{gavel_url}/compat/tei/{judge}/predict", key)

    def scores(questions, answers):
        predictions = post({"inputs": [list(pair) for pair in zip(questions, answers)]})
        # No class where the judge gave no score.
        return [classes[0]["score"] if classes else None for classes in predictions]

    return scores
