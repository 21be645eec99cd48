"""Graders of OpenAI's SDK, run by Gavel: only the base URL is another.

    pip install openai
    GAVEL_URL=https://gavel.example GAVEL_KEY=gvl_... python openai_graders.py
"""

import os

from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['GAVEL_URL']}/v1", api_key=os.environ["GAVEL_KEY"])

grader = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "like",
}
client.fine_tuning.alpha.graders.validate(grader=grader)
for sample in ["2 + 3 makes 5.", "2 + 3 makes 6."]:
    run = client.fine_tuning.alpha.graders.run(grader=grader, model_sample=sample, item={"answer": "5"})
    print(f"{run.reward:.2f}  {sample}")
