"""Writes test/fixtures/chat/templates.json: what transformers makes of chat templates, whole ones and single expressions.

    python write_templates.py OUT
"""

import datetime
import json
import sys
import warnings

from transformers.utils import chat_template_utils

warnings.filterwarnings("ignore")

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
CHATS = {
    "one": [{"role": "user", "content": "Hi"}],
    "system": [{"role": "system", "content": " Be brief.\n"}, {"role": "user", "content": "2+3?"}],
    "answered": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}],
    "long": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": " a "},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nb"},
        {"role": "user", "content": "né\n👍"},
        {"role": "assistant", "content": " d\n"},
    ],
    "wrong": [{"role": "assistant", "content": "x"}, {"role": "assistant", "content": "y"}],
}

# Written for this test, each in the style of a family.
STYLES = {
    "chatml": """{% for message in messages %}{% if loop.first and message.role != 'system' %}{{ '<|im_start|>system
You help.<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}
""",
    "llama3": """{{- bos_token }}
{%- if tools is not none %}{{- raise_exception('tools') }}{% endif %}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%d %b %Y") if strftime_now is defined else "none" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "gemma": """{{ bos_token }}
{%- set first = messages[0]['content'] + '\\n\\n' if messages[0]['role'] == 'system' else '' -%}
{%- for message in (messages[1:] if first else messages) -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("roles must alternate") }}
    {%- endif -%}
    {{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' + (first if loop.first else '') }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] }}{%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
""",
    "mistral": """{%- set ns = namespace(system='', index=0) -%}
{{ bos_token }}{% for message in messages %}
{%- if message.role == 'system' %}{% set ns.system = message.content + '\\n\\n' %}
{%- elif message.role == 'user' %}{{ '[INST] ' + (ns.system if ns.index == 0 else '') + message.content + ' [/INST]' }}{% set ns.index = ns.index + 1 %}
{%- elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}
{%- endif %}{% endfor %}""",
    "phi": """{% for message in messages %}{% if message['role'] in ['system', 'user'] %}{{ '<|' ~ message['role'] ~ '|>\\n' ~ message['content'] ~ '<|end|>\\n' }}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}""",
    "granite": """{%- if documents %}{{ 'D' }}{% endif -%}
{%- macro head(role) -%}{{ '<|start_of_role|>' ~ role ~ '<|end_of_role|>' }}{%- endmacro -%}
{%- if messages | selectattr('role', 'equalto', 'system') | list | length == 0 -%}
{{ head('system') }}Knowledge: {{ strftime_now('%B %d, %Y') }}.<|end_of_text|>
{% endif -%}
{%- for message in messages -%}
{{ head(message.role) }}{{ message.content }}<|end_of_text|>
{% endfor -%}
{%- if add_generation_prompt -%}{{ head('assistant') }}{%- endif -%}""",
    "thinking": """{%- for message in messages %}
{%- set content = message.content %}
{%- if message.role == 'assistant' and '</think>' in content %}
{%- set content = content.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{{- message.role.upper() + ': ' + content.rstrip('\\n') + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- 'ASSISTANT: ' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}""",
    "trained": """{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}""",
}

EXPRESSIONS = [
    # None, undefined and what is given
    "{{ tools }}|{{ documents }}|{{ tools is none }}|{{ missing }}|{{ missing is defined }}|{{ unk_token ~ pad_token }}",
    "{% if tools is not none %}x{% else %}y{% endif %}{% if missing %}x{% endif %}",
    "{{ missing.more }}", "{{ missing + 'x' }}", "{{ messages[0].missing.more }}", "{{ messages[0].missing }}|",
    "{{ none == missing }}{{ none == none }}{{ 1 == '1' }}{{ true == 1 }}{{ [1, 'a'] == [1, 'a'] }}{{ {'a': [1]} == {'a': [1]} }}",
    "{{ true }}{{ false }}{{ none }}{{ True }}{{ 1.0 }}{{ 123456789.0 * 1000000000 }}{{ 1 / 10000000 }}{{ 0.1 + 0.2 }}{{ 7 // 2 }}{{ 7 / 2 }}{{ -7 % 3 }}{{ 2 ** 3 }}",
    "{{ ['a', \"it's\", 1, 2.0, none, true] }}{{ {'k': 'v', 'n': {'x': 1}} }}", "{{ ('a', 1) }}",
    # formats
    "{{ '%s is %d of %5.2f%%' % ('x', 3, 4.5) }}", "{{ '%s' % 'a' }}{{ '%s' % 5 }}{{ '%s' % none }}{{ '%s' % true }}",
    "{{ '%05d|%-5s|%+d|%x|%r' % (42, 'ab', 7, 255, 'q') }}", "{{ '%(a)s-%(b)s' % {'a': 1, 'b': 'two'} }}", "{{ '%s %s' % ('a', 1, 2) }}", "{{ '%d' % 'a' }}", "{{ '{:q}'.format(1) }}", "{{ '{}'.format() }}",
    "{{ '%s' | format('a') }}{{ '%s-%s' | format('a', 2) }}",
    "{{ '{} {}'.format('a', 1) }}{{ '{1}{0}'.format('a', 'b') }}{{ '{x}'.format(x='y') }}{{ '{{}}'.format() }}",
    "{{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('ab', 'cd', 'e', 'f') }}{{ '{:05d}|{:.2f}|{:,}'.format(42, 3.14159, 1234567) }}",
    # methods
    "{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a,b,c'.rsplit(',') }}{{ ' a  b c '.rsplit(none, 1) }}{{ 'a,b,c'.split(',', 1)[1] }}",
    "{{ 'a\nb\r\nc'.splitlines() }}{{ 'a\nb\n'.splitlines(true) }}{{ ''.splitlines() }}",
    "{{ '\n\n a \n'.strip('\n') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'ab'.rstrip('b') }}",
    "{{ 'hello WORLD'.title() }}{{ 'hELLO'.capitalize() }}{{ 'Ab'.lower() }}{{ 'Ab'.upper() }}{{ 'Ab' | capitalize }}",
    "{{ 'abc'.find('c') }}{{ 'abc'.find('x') }}{{ 'aXbX'.rfind('X') }}{{ 'banana'.count('an') }}{{ 'abc'.index('b') }}",
    "{{ 'prefix-x'.removeprefix('prefix-') }}{{ 'x.txt'.removesuffix('.txt') }}{{ '-'.join(['a', 'b']) }}{{ '7'.zfill(3) }}",
    "{{ '12'.isdigit() }}{{ 'ab1'.isalpha() }}{{ 'ab1'.isalnum() }}{{ ' '.isspace() }}{{ 'AB'.isupper() }}",
    "{{ 'aaa'.replace('a', 'b') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'x'.startswith('x') }}{{ 'x'.endswith(('y', 'x')) }}",
    "{{ 'né👍'[2] }}{{ 'né👍' | length }}{{ 'né👍'[::-1] }}{{ 'abc'[-1] }}{{ 'abc'[1:] }}{{ 'a' * 3 }}{{ ['a'] * 2 }}",
    # filters
    "{{ [3, 1, 2] | max }}{{ [3, 1, 2] | min }}{{ ['b', 'C'] | max }}{{ [1, 2.5] | sum }}{{ 'abc' | list }}{{ {'a': 1} | list }}",
    "{{ 5 | string + '5' }}{{ [1, 'a'] | string }}{{ none | string }}{{ true | string }}{{ 1.5 | string }}",
    "{{ '3' | int + 1 }}{{ '3.7' | float }}{{ 'x' | int(9) }}{{ 3.7 | int }}{{ -3.7 | int }}{{ 2.5 | round }}{{ 3.14159 | round(2) }}{{ -2 | abs }}",
    "{{ missing | default('d') }}{{ '' | default('d', true) }}{{ none | default('d') }}{{ missing | d('e') }}",
    "{{ ['a', 'b'] | first }}{{ 'abc' | last }}{{ [1, 2] | reverse | list }}{{ 'abc' | reverse }}{{ [1, 1, 2] | unique | list }}",
    "{{ messages | map(attribute='role') | join(', ') }}{{ ['a', 'b'] | map('upper') | list }}{{ [1, 2] | join('-') }}{{ [1.0, none] | join('/') }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | rejectattr('role', 'eq', 'user') | list | length }}{{ messages | selectattr('tool_calls', 'defined') | list }}",
    "{{ [1, 'a', 2.5] | select('string') | list }}{{ [0, 1, ''] | select | list }}{{ [1, 2, 3] | reject('odd') | list }}",
    "{{ {'b': 1, 'a': 'né'} | tojson }}{{ [1, none, true] | tojson(indent=2) }}{{ '<&>' | tojson }}",
    "{{ '  x ' | trim }}|{{ 'xax' | trim('x') }}|{{ 'a\nb' | indent(2) }}|{{ 'Ab' | upper }}|{{ 'a b' | replace(' ', '_') }}|{{ 'a b' | title }}",
    "{% for k, v in {'a': 1, 'b': 2} | items %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}{{ {'a': 1}.get('x', 'y') }}{{ {'a': 1}.get('x') }}",
    # tests
    "{{ 1.5 is float }}{{ 1 is float }}{{ 1 is integer }}{{ true is integer }}{{ 1 is number }}{{ 'a' is iterable }}{{ {} is mapping }}{{ [] is sequence }}{{ 'a' is string }}{{ none is none }}",
    "{{ 3 is odd }}{{ 4 is even }}{{ true is boolean }}{{ raise_exception is callable }}{{ 'ab' is lower }}{{ 'AB' is upper }}{{ true is true }}{{ 1 is true }}",
    "{{ 'a' in 'abc' }}{{ 'x' not in ['a'] }}{{ 'k' in {'k': 1} }}{{ 1 in [1.0] }}{{ none in [none] }}{{ 'role' in messages[0] }}",
    "{{ 'a' < 'b' }}{{ 'B' < 'a' }}{{ 1 <= 1.0 }}{{ 1 < '1' }}", "{{ 'a' + 1 }}", "{{ 1 + none }}", "{{ 'a' ~ 1 ~ none ~ 2.0 ~ true }}",
    # statements
    "{% for c in 'ab' %}{{ c }}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}",
    "{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.last }}{% else %}none{% endfor %}{% for x in [] %}x{% else %}none{% endfor %}",
    "{% for x in [1, 2, 3] %}{{ x }}{% if x == 2 %}!{% break %}{% endif %}a{% endfor %}|{% for x in [1, 2] %}{{ x }}{% continue %}b{% endfor %}",
    "{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% for i in [1, 2] %}{% if loop.first %}{% set y = 1 %}{% endif %}{{ y is defined }}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{{ range(1, 7, 3) | list }}",
    "{% macro m(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}{% set t %}in {{ 1 }}{% endset %}{{ t | upper }}",
    "{# gone #}a {#- gone -#} b\n{%- if true %}\n c\n{%- endif %}\n  {% if true %}\n d\n  {% endif %}\n",
    "{% for m in messages[::-1] %}{{ loop.index0 }}{{ loop.revindex }}{{ m.role }}{{ loop.previtem.role if loop.previtem is defined }} {% endfor %}",
    "{{ 'x' if false }}|{{ 'x' if messages else 'y' }}|{{ not '' }}|{{ 1 if 0 or 'a' and none else 2 }}|{{ messages | length > 0 }}",
    "{{ dict(a=1) }}{{ 'tab\\tquote\\'back\\\\' }}{{ \"\\u00e9\" }}", "{{ raise_exception('no such role: ' + messages[0].role) }}",
    "{{ strftime_now('%Y-%m-%d %d %b %Y, %A %B %-d %H:%M') }}",
    "{{ messages[0]['content'] | nonsense }}", "{{ 1 is nonsense }}", "{{ 'a'.nonsense() }}", "{% nonsense %}", "{% for %}", "{{ range(1000000) | length }}",
]


class Date(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = Date


def render(template, messages, generation):
    arguments = dict(messages=messages, tools=None, documents=None, add_generation_prompt=generation, **SPECIAL)
    try:
        return {"text": chat_template_utils._compile_jinja_template(template).render(**arguments)}
    except Exception as error:  # noqa: BLE001
        return {"error": str(error)}


def main():
    styles = {
        name: {
            "template": template,
            "chats": {
                f"{chat}{' +' if generation else ''}": render(template, messages, generation)
                for chat, messages in CHATS.items()
                for generation in (False, True)
            },
        }
        for name, template in STYLES.items()
    }
    expressions = [{"template": template, **render(template, CHATS["long"], True)} for template in EXPRESSIONS]
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump({"special": SPECIAL, "chats": CHATS, "styles": styles, "expressions": expressions}, out, ensure_ascii=False, indent=1)
        out.write("\n")
    print(len(expressions), "expressions,", sum("error" in e for e in expressions), "of them errors")


if __name__ == "__main__":
    main()
