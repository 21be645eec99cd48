"""Writes test/fixtures/chat/tokenizers.json: small tokenizers of each kind with a chat template of each style, and what
transformers makes of texts, conversations and training rows with them.

    python write_tokenizers.py OUT
"""

import json
import os
import sys
import tempfile
import warnings

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer
from write_templates import CHATS, STYLES

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

CORPUS = ["What is 2+3? It is 5.", "Tom has 12 apples and gives 5 away. How many are left? Be brief.", "the user and the assistant said that this is it"] * 3
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = ["Hi", " Hi", "  two", "a b\n\nc", "né 👍 日本", "<s>x", "x</s> y", "", "What is 2+3?", "it is\tit", "▁x"]
PAIRS = [["Q: x\nA:", " It is 5."], ["2+3=", "5"], ["What", " is"], ["th", "e"], ["x\n", "né 👍"], ["x", "y</s>"], ["x", ""]]


def byte_level(special, bos):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet))
    return begun(tokenizer, special, bos)


def sentencepiece(special, bos, prefix):
    """As Llama 2 and Mistral have it, or with `prefix` false as Gemma has."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    space = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), space]) if prefix else space
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, special_tokens=special + BYTES))
    raw = json.loads(tokenizer.to_str())
    raw["added_tokens"] = [token for token in raw["added_tokens"] if token["content"] not in BYTES]
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prefix else []))
    if not prefix:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return begun(tokenizer, special, bos)


def begun(tokenizer, special, bos):
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, special.index(bos))])
    return tokenizer


KINDS = {
    "chatml": (byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None), {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, [0, 2]),
    "llama3": (byte_level(["<s>", "</s>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "<s>"), {"bos_token": "<s>", "eos_token": "</s>"}, [1, 4]),
    "gemma": (sentencepiece(["<pad>", "</s>", "<s>", "<unk>", "<start_of_turn>", "<end_of_turn>"], "<s>", False), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "tokenizer_class": "GemmaTokenizer"}, [1, 5]),
    "mistral": (sentencepiece(["<unk>", "<s>", "</s>"], "<s>", True), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}, 2),
    "phi": (sentencepiece(["<unk>", "<s>", "</s>", "<|user|>", "<|system|>", "<|assistant|>", "<|end|>"], "<s>", True), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}, [2, 6]),
    "granite": (byte_level(["<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"], None), {"bos_token": "<|end_of_text|>", "eos_token": "<|end_of_text|>"}, 0),
}


def expected(folder, style):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = lambda text, special=True: tokenizer(text, add_special_tokens=special)["input_ids"]
    chat = lambda messages, generation: tokenizer.apply_chat_template(messages, add_generation_prompt=generation, return_dict=True)["input_ids"]
    rows = [
        {"row": {"prompt": prompt, "completion": completion}, "prompt": chat([{"role": "user", "content": prompt}], True),
         "whole": chat([{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}], False)}
        for prompt, completion in PAIRS if "</s>" not in completion
    ] + [
        {"row": {"messages": CHATS[name]}, "prompt": chat(CHATS[name][:-1], True), "whole": chat(CHATS[name], False)} for name in ("answered", "long")
    ]
    return {
        "texts": [{"text": text, "plain": ids(text, False), "ids": ids(text), "decoded": tokenizer.decode(ids(text, False), skip_special_tokens=True)} for text in TEXTS],
        "pairs": [{"prompt": prompt, "completion": completion, "ids": ids(prompt), "whole": ids(prompt + completion)} for prompt, completion in PAIRS],
        "chats": [{"chat": name, "generation": generation, "ids": chat(CHATS[name], generation)} for name in ("one", "system", "answered", "long") for generation in (True, False)],
        "rows": rows,
    }


out = {}
for style, (tokenizer, config, ends) in KINDS.items():
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **config, "chat_template": STYLES[style]}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        with open(f"{folder}/tokenizer_config.json", "w") as file:
            json.dump(config, file)
        files = {"tokenizer": json.loads(tokenizer.to_str()), "config": config, "generation": {"eos_token_id": ends}}
        out[style] = {"files": files, **expected(folder, style)}
        print(style, tokenizer.get_vocab_size(), "tokens")
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"chats": CHATS, "kinds": out}, file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
