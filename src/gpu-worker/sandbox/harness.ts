/**
 * What runs inside the interpreter: defines `call`, from one JSON text to another, and takes away what a program has no
 * use for. The walls are elsewhere (see `sandbox-process.ts`); this only makes ordinary attempts fail in an ordinary way.
 *
 * Modules that programs like to import are loaded beforehand, as part of the image that each interpreter starts from.
 */
export const HARNESS = String.raw`
import sys
import ast, bisect, calendar, cmath, collections, contextlib, copy, dataclasses, datetime, decimal, enum, fractions
import functools, heapq, io, itertools, json, math, numbers, operator, random, re, statistics, string, traceback, typing

MOST_OUTPUT = 65536
MOST_TEXT = 100_000

class Output(io.TextIOBase):
    """Keeps the first part of what is printed."""
    def __init__(self):
        self.kept, self.room = [], MOST_OUTPUT
    def writable(self):
        return True
    def write(self, text):
        if self.room > 0:
            self.kept.append(text[:self.room])
            self.room -= len(text)
        return len(text)

def spell(value, depth=0):
    """The value as mathematics is written; None for what is no answer."""
    if value is None or depth > 5:
        return None
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [spell(item, depth + 1) for item in value]
        if not parts or len(parts) > 1000 or None in parts:
            return None
        if isinstance(value, (set, frozenset)):
            return '{' + ', '.join(sorted(parts)) + '}'
        return ', '.join(parts) if depth == 0 else '(' + ', '.join(parts) + ')'
    if isinstance(value, complex):
        return f'{value.real!r}{"+" if value.imag >= 0 else "-"}{abs(value.imag)!r}i'
    if isinstance(value, decimal.Decimal) and value.is_finite() and abs(value.adjusted()) < MOST_TEXT:
        return f'{value:f}'
    return str(value) if isinstance(value, (bool, str, numbers.Number)) else None

def as_number(value):
    if not isinstance(value, (numbers.Real, decimal.Decimal)):
        return None
    try:
        number = float(value)
    except OverflowError:  # beyond 2**1024: its text says it all
        return None
    return number if math.isfinite(number) else None

def told(error):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == '<program>']
    where = f' (line {lines[-1]})' if lines else f' (line {error.lineno})' if isinstance(error, SyntaxError) else ''
    return (type(error).__name__ + (f': {error}' if str(error) else ''))[:500] + where

# Whole numbers are written out to the last digit, as far as text may go; and so are Decimals, without an exponent.
sys.set_int_max_str_digits(MOST_TEXT)

def call(request):
    request = json.loads(request)
    sys.stdout = sys.stderr = output = Output()
    try:
        scope = {'__name__': '__main__'}
        exec(compile(request['source'], '<program>', 'exec', dont_inherit=True), scope)
        function = scope.get(request['entry'])
        if not callable(function):
            raise NameError('the program defines no function ' + request['entry'])
        value = function(*request['args'])
        text = spell(value)
        if text is not None and len(text) > MOST_TEXT:
            raise ValueError(f'the value has more than {MOST_TEXT} characters')
        answer = {'outcome': 'returned', 'text': text, 'number': as_number(value)}
    except BaseException as error:
        answer = {'outcome': 'raised', 'error': told(error)}
    return json.dumps({**answer, 'output': ''.join(output.kept)})

def seal():
    import os
    for finder in list(sys.meta_path):
        if hasattr(finder, 'jsproxies'):
            finder.jsproxies.clear()
            sys.meta_path.remove(finder)
    away = ('js', 'pyodide', 'pyodide_js', '_pyodide', '_pyodide_core', 'ctypes', '_ctypes', 'webbrowser', 'micropip')
    for name in list(sys.modules):
        if name.split('.')[0] in away:
            del sys.modules[name]
    for name in away:
        sys.modules[name] = None
    sys.stdin = io.StringIO('')
    os.environ.clear()

seal()
del seal
call
`
