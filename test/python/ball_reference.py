"""Writes test/fixtures/verifier/ball.json: functions of fractions to 120 digits, as mpmath computes them.

usage: ball_reference.py > test/fixtures/verifier/ball.json
"""

import json

import mpmath as mp

mp.mp.dps = 160
ARGUMENTS = [(1, 3), (7, 2), (-5, 7), (22, 7), (1000, 7), (-1000, 3), (1, 1000000), (123456, 7), (99, 100), (-1, 2)]
FUNCTIONS = {
    "exp": mp.exp,
    "sin": mp.sin,
    "cos": mp.cos,
    "arctan": mp.atan,
    "ln": lambda x: mp.log(x) if x > 0 else None,
    "sqrt": lambda x: mp.sqrt(x) if x > 0 else None,
    "root5": lambda x: mp.root(x, 5) if x > 0 else None,
}
rows = [{"fn": "pi", "n": 0, "d": 1, "value": mp.nstr(+mp.pi, 120)}]
for name, function in FUNCTIONS.items():
    for n, d in ARGUMENTS:
        value = function(mp.mpf(n) / d)
        if value is not None:
            rows.append({"fn": name, "n": n, "d": d, "value": mp.nstr(value, 120, min_fixed=0, max_fixed=0)})
print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
