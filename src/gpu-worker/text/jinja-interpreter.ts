import { Environment, Interpreter } from '@huggingface/jinja'
import { compare, contains, filterOf, TESTS } from './jinja-filters.ts'
import { itemsOf, methodOf } from './jinja-methods.ts'
import { bool, equal, float, integer, isList, isText, isTrue, list, mapping, nothing, numberOf, str, text, type Value } from './jinja-values.ts' // prettier-ignore
import { interpolated } from './python-format.ts'

/** A node of a parsed template, as far as it is looked into here. */
interface Node {
  type: string
  [key: string]: unknown
}

/** The library's interpreter with its methods open: it evaluates by calling them on itself. */
interface Open {
  run(program: unknown): { value: string }
  evaluate(node: unknown, scope: Environment): Value
  evaluateArguments(args: unknown, scope: Environment): [Value[], Map<string, Value>]
  evaluateBinaryExpression(node: Node, scope: Environment): Value
  evaluateMemberExpression(node: Node, scope: Environment): Value
  applyFilter(operand: Value, node: Node, scope: Environment): Value
}
const Base = Interpreter as unknown as new (scope: Environment) => Open

/** What a `break` or `continue` leaves a loop with: the text so far. */
class LeavesLoop extends Error {
  readonly how: 'Break' | 'Continue'
  readonly text: string

  constructor(how: 'Break' | 'Continue', text: string) {
    super(`${how} outside of a loop`)
    this.how = how
    this.text = text
  }
}

/** Nodes that put no value of their own into the text. */
const STATEMENTS = new Set(['Set', 'Macro', 'Comment'])
/** Longest text or list that a multiplication makes. */
const MOST = 1_000_000
/** Most parts of a template that one text takes, each time that a loop or a macro comes by counted: a thousand messages take some 30,000. */
const MOST_PARTS = 500_000

/** Renders as Python's Jinja does, where the library's interpreter knows less of Python or takes it for JavaScript. */
export class PythonInterpreter extends Base {
  #parts = 0

  evaluateBlock(nodes: readonly Node[], scope: Environment): Value {
    let result = ''
    for (const node of nodes) {
      if (++this.#parts > MOST_PARTS)
        throw new Error(`it goes through more than ${MOST_PARTS} parts, and perhaps never ends`)
      if (node.type === 'Break' || node.type === 'Continue') throw new LeavesLoop(node.type, result)
      try {
        const value = this.evaluate(node, scope)
        if (!STATEMENTS.has(node.type)) result += str(value)
      } catch (error) {
        throw error instanceof LeavesLoop ? new LeavesLoop(error.how, result + error.text) : error
      }
    }
    return text(result)
  }

  evaluateFor(node: Node, outer: Environment): Value {
    const select = (node.iterable as Node).type === 'SelectExpression' ? (node.iterable as Node) : null
    const iterable = this.evaluate(select ? select.lhs : node.iterable, outer)
    const bound = (item: Value) => {
      const scope = new Environment(outer)
      for (const [name, value] of unpacked(node.loopvar as Node, item)) scope.setVariable(name, value)
      return scope
    }
    const items = itemsOf(iterable).filter((item) => !select || isTrue(this.evaluate(select.test, bound(item))))
    if (items.length === 0) return this.evaluateBlock(node.defaultBlock as Node[], new Environment(outer))
    let result = ''
    for (const [i, item] of items.entries()) {
      const scope = bound(item)
      scope.setVariable('loop', loopOf(items, i))
      try {
        result += str(this.evaluateBlock(node.body as Node[], scope))
      } catch (error) {
        if (!(error instanceof LeavesLoop)) throw error
        result += error.text
        if (error.how === 'Break') break
      }
    }
    return text(result)
  }

  override evaluateBinaryExpression(node: Node, scope: Environment): Value {
    const operator = (node.operator as { value: string }).value
    const work = OPERATORS[operator]
    if (!work) return super.evaluateBinaryExpression(node, scope)
    const [left, right] = [this.evaluate(node.left, scope), this.evaluate(node.right, scope)]
    return work(left, right) ?? super.evaluateBinaryExpression(node, scope)
  }

  override applyFilter(operand: Value, node: Node, scope: Environment): Value {
    const called = node.type === 'CallExpression'
    const filter = filterOf((called ? (node.callee as Node) : node).value as string)
    if (!filter) return super.applyFilter(operand, node, scope)
    const [args, named] = called ? this.evaluateArguments(node.args, scope) : [[], new Map<string, Value>()]
    return filter(operand, { args, named })
  }

  evaluateTestExpression(node: Node, scope: Environment): Value {
    const name = (node.test as { value: string }).value
    const test = Object.hasOwn(TESTS, name) ? TESTS[name]! : null
    if (!test) throw new Error(`the test ${JSON.stringify(name)} is not understood here`)
    const holds = test(this.evaluate(node.operand, scope))
    return bool(node.negate ? !holds : holds)
  }

  override evaluateMemberExpression(node: Node, scope: Environment): Value {
    const object = this.evaluate(node.object, scope)
    const property = node.property as Node
    if (object.type === 'UndefinedValue') throw new Error(`${nameOf(node.object as Node)} is undefined`)
    if (isText(object)) {
      const key = node.computed && property.type !== 'SliceExpression' ? this.evaluate(property, scope) : null
      if (key && numberOf(key) !== null) {
        const character = [...object.value].at(numberOf(key)!)
        return character === undefined ? nothing() : text(character)
      }
      const name = key ? str(key) : node.computed ? null : (property.value as string)
      const method = name === null ? undefined : methodOf(object.value, String(name))
      if (method) return method
    }
    return super.evaluateMemberExpression(node, scope)
  }
}

/** Python's operators, where the library has JavaScript's; undefined leaves it to the library. */
const OPERATORS: Record<string, (a: Value, b: Value) => Value | undefined> = {
  '==': (a, b) => bool(equal(a, b)),
  '!=': (a, b) => bool(!equal(a, b)),
  '~': (a, b) => text(str(a) + str(b)),
  in: (a, b) => bool(contains(b, a)),
  'not in': (a, b) => bool(!contains(b, a)),
  '<': (a, b) => bool(compare(a, b) < 0),
  '<=': (a, b) => bool(compare(a, b) <= 0),
  '>': (a, b) => bool(compare(a, b) > 0),
  '>=': (a, b) => bool(compare(a, b) >= 0),
  '+'(a, b) {
    if (isText(a) !== isText(b)) throw new Error(`${shown(a)} and ${shown(b)} cannot be added; write ~ to join them`)
    return undefined
  },
  '*'(a, b) {
    const [many, count] = isText(a) || isList(a) ? [a, numberOf(b)] : [b, numberOf(a)]
    if (count === null) return undefined
    const times = Math.max(0, count)
    const length = isText(many) || isList(many) ? many.value.length : 0
    if (times * length > MOST) throw new Error(`a repetition of more than ${MOST} is refused`)
    if (isText(many)) return text(many.value.repeat(times))
    if (isList(many)) return list(Array.from({ length: times }, () => many.value).flat())
    return undefined
  },
  '%'(a, b) {
    if (isText(a)) return text(interpolated(a.value, b))
    const [x, y] = [numberOf(a), numberOf(b)]
    if (x === null || y === null || y === 0) throw new Error(`${shown(a)} % ${shown(b)} cannot be computed`)
    const rest = ((x % y) + y) % y
    return a.type === 'FloatValue' || b.type === 'FloatValue' ? float(rest) : integer(rest)
  },
}

const shown = (value: Value) => (value.type === 'UndefinedValue' ? 'what is undefined' : JSON.stringify(str(value)))

const nameOf = (node: Node): string =>
  node.type === 'Identifier' ? String(node.value) : node.type === 'MemberExpression' && !node.computed ? `${nameOf(node.object as Node)}.${nameOf(node.property as Node)}` : 'what is asked for more' // prettier-ignore

/** What a loop's item is called, or its parts. */
function unpacked(target: Node, item: Value): [string, Value][] {
  if (target.type === 'Identifier') return [[target.value as string, item]]
  const names = target.value as Node[]
  const parts = itemsOf(item)
  if (parts.length !== names.length)
    throw new Error(`a loop wants ${names.length} values of an item that has ${parts.length}`)
  return names.flatMap((name, i) => unpacked(name, parts[i]!))
}

function loopOf(items: readonly Value[], i: number): Value {
  const last = items.length - 1
  return mapping(
    new Map([
      ['index', integer(i + 1)],
      ['index0', integer(i)],
      ['revindex', integer(last - i + 1)],
      ['revindex0', integer(last - i)],
      ['first', bool(i === 0)],
      ['last', bool(i === last)],
      ['length', integer(items.length)],
      ['previtem', items[i - 1] ?? nothing()],
      ['nextitem', items[i + 1] ?? nothing()],
    ]),
  )
}
