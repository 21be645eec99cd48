"""Part of `npm run test:tokenizers`: what transformers makes of texts, conversations and rows with real tokenizers.

    real_tokenizers.py OUT FOLDER…
"""

import json
import logging
import sys

from transformers import AutoTokenizer
from write_templates import CHATS

logging.disable(logging.WARNING)
TEXTS = [
    "Hi", "Hello world", " leading", "  two", "a  b\n\nc\td", "Tom has 12345 apples.", "né 👍🏽 ½ 日本語", "don't I'LL 'S",
    "<s>x</s> y", "x<|im_end|> y<|eot_id|>", "\n", " ", "Q: x\nA: Paris", "\u2581odd", "e\u0301", "a\u0000b", "1.5e-3 == 0",
    "<0x0A>", "[INST] hi [/INST]", "\u00a0nbsp\u3000wide", "emoji 👩‍👩‍👧‍👦", "ﬁ ligature", "мир العالم", "\r\n x",
    "<start_of_turn>user\nhi<end_of_turn>", "", "x" * 300, "=" * 70, "def f(x):\n    return x ** 2  # ok\n", "ａｂｃ ① Ⅳ", "\ufeffbom",
]
PAIRS = [["Q: x\nA:", " Paris"], ["Hello", "lo"], ["2+3=", "5"], ["Say:\n", "né 👍"], ["x ", " y"], ["Paris", ""]]

out = {}
for folder in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = lambda text, special=True: tokenizer(text, add_special_tokens=special)["input_ids"]

    def chat(messages, generation):
        try:
            text = tokenizer.apply_chat_template(messages, add_generation_prompt=generation, tokenize=False)
            return {"text": text, "ids": tokenizer.apply_chat_template(messages, add_generation_prompt=generation, return_dict=True)["input_ids"]}
        except Exception as error:  # noqa: BLE001
            return {"error": str(error)}

    templated = tokenizer.chat_template is not None
    out[folder] = {
        "class": type(tokenizer).__name__,
        "bos": tokenizer.bos_token or "",
        "texts": [{"text": text, "plain": ids(text, False), "ids": ids(text), "decoded": tokenizer.decode(ids(text, False), skip_special_tokens=True)} for text in TEXTS],
        "pairs": [{"prompt": prompt, "completion": completion, "ids": ids(prompt), "whole": ids(prompt + completion)} for prompt, completion in PAIRS],
        "chats": [{"messages": messages, "generation": generation, **chat(messages, generation)} for messages in CHATS.values() for generation in (True, False)] if templated else [],
        "rows": [{"messages": messages, "prompt": chat(messages[:-1], True), "whole": chat(messages, False)} for messages in CHATS.values() if len(messages) > 1 and messages[-1]["role"] == "assistant"] if templated else [],
    }
json.dump(out, open(sys.argv[1], "w"))
