"""Writes test/fixtures/continue-message.json: conversations whose last message is not over, as transformers renders them.

    python test/python/continue_message.py
"""
import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

TEMPLATES = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
              "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "trims": "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}{{ eos_token }}{% endfor %}",
    "turns": "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
             "{% else %} {{ m.content.strip() }} </s>{% endif %}{% endfor %}",
}
ENDS = ["It is", "It is ", " It is", "It is\n\n", "日本 🍎 ", "It is It is", ""]

tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
rows = []
for name, template in TEMPLATES.items():
    for end in ENDS:
        messages = [{"role": "user", "content": "It is?"}, {"role": "assistant", "content": end}]
        text = tokenizer.apply_chat_template(messages, chat_template=template, continue_final_message=True, tokenize=False)
        rows.append(dict(template=name, messages=messages, text=text))
path = pathlib.Path(__file__).parent.parent / "fixtures/continue-message.json"
path.write_text(json.dumps(dict(templates=TEMPLATES, rows=rows), indent=1) + "\n")
