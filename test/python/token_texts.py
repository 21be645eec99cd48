"""Writes test/fixtures/token-texts/*.json: small tokenizers of every kind of decoder, and what they decode answers to.

    python test/python/token_texts.py

A case has a prompt, an answer as ids, and the text that the answer adds to the prompt's: what `tokenizers` decodes of both
together, less what it decodes of the prompt. Only answers that are whole characters are kept.
"""
import json
import pathlib
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "Tom has 12 apples. He buys 30 more, doesn't he? How many apples does Tom have now?",
    "naïve café, Übergrösse; привет мир; 日本語のテキスト; 🍎🍏 e\u0301 \u200d👩‍👩‍👧",
    "def f(x):\n    return x + 1\n\tend\r\n  two  spaces", "  leading and trailing  ", "1234567890 0.5 3/4 $x^2$",
]
TEXTS = CORPUS + [
    "hello", " hello", "  hello  world ", "日本", "🍎", "a🍎b", "ž 😀 ∑ ﷽ \ufeff x", "\n\n", "<tool>call</tool> x", "é", "don't .",
    "<|im_start|>user\nhi<|im_end|>",
]
SPECIALS = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
BYTES = [f"<0x{i:02X}>" for i in range(256)]
SPACE = "\u2581"


def added(tokenizer):
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("</tool>", normalized=False)])
    return tokenizer


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIALS,
                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return added(t)


def byte_fallback(normalizer, decoder):
    """As converted from SentencePiece: Llama 2's and Gemma's differ in what begins a text."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizer
    t.train_from_iterator(CORPUS[:1] * 3 + ["return two spaces hello world"], trainers.BpeTrainer(
        vocab_size=110, special_tokens=SPECIALS, initial_alphabet=[SPACE], show_progress=False))
    spec = json.loads(t.to_str())
    vocab = spec["model"]["vocab"]
    for byte in BYTES:
        vocab[byte] = len(vocab)
    spec["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    t = Tokenizer.from_str(json.dumps(spec))
    t.decoder = decoder
    return added(t)


def unigram():
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=160, special_tokens=SPECIALS, unk_token="<unk>",
                                                          show_progress=False))
    return added(t)


def word_piece():
    t = Tokenizer(models.WordPiece(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=220, special_tokens=SPECIALS, show_progress=False))
    return added(t)


replace = [normalizers.Replace(" ", SPACE)]
fuse = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
KINDS = {
    "byte-level": byte_level(),
    "byte-fallback-strip": byte_fallback(normalizers.Sequence([normalizers.Prepend(SPACE)] + replace),
                                         decoders.Sequence(fuse + [decoders.Strip(" ", 1, 0)])),
    "byte-fallback": byte_fallback(normalizers.Sequence(replace), decoders.Sequence(fuse)),
    "metaspace": unigram(),
    "word-piece": word_piece(),
}

random.seed(3)
folder = pathlib.Path(__file__).parent.parent / "fixtures/token-texts"
for name, t in KINDS.items():
    prompt = t.encode("Tom", add_special_tokens=False).ids
    start = t.decode(prompt, skip_special_tokens=False)
    size = max(t.get_vocab().values()) + 1
    answers = [t.encode(text, add_special_tokens=False).ids for text in TEXTS]
    answers += [[random.randrange(size) for _ in range(6)] for _ in range(400)]
    cases = []
    for ids in answers:
        shown, skipped = (t.decode(prompt + ids, skip_special_tokens=skip) for skip in (False, True))
        if "\ufffd" in shown or not (shown.startswith(start) and skipped.startswith(start)):
            continue
        cases.append(dict(ids=ids, text=shown[len(start):], skipped=skipped[len(start):]))
    cases = cases[:40]
    texts = [dict(text=text, ids=t.encode(text, add_special_tokens=False).ids) for text in TEXTS]
    texts = [row for row in texts if t.decode(row["ids"], skip_special_tokens=False) == row["text"]]
    spec = json.loads(t.to_str())
    path = folder / f"{name}.json"
    path.write_text(json.dumps(dict(tokenizer=spec, prompt=prompt, cases=cases, texts=texts), ensure_ascii=True) + "\n")
    print(name, size, len(cases), len(texts), path.stat().st_size)
