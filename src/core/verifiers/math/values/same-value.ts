import { areRoots, assignmentsOf, inOrder } from './assignments.ts'
import { bothSigns, variables, type Node } from '../arithmetic/expression.ts'
import type { MathExpression, MathList, MathRelation, MathValue } from './math-value.ts'
import { realSet, sameSet, saysEverything } from './real-set.ts'
import { saysNone } from './says-none.ts'
import { proportion, sameExpression } from '../arithmetic/same-expression.ts'
import { sameQuantity } from './same-quantity.ts'
import { sameClock, sameDate, sameDuration } from './same-time.ts'

/**
 * Whether an answer says the same as gold. Numbers by value (see `sameNumber`), `35%` being both 35 and 0.35; units only
 * where both name one; expressions wherever both are defined; equations up to a factor; sets of real numbers by their
 * members, however they are written. A list in braces or joined by "and" has no order; every other list has one.
 */
export function sameValue(answer: MathValue, gold: MathValue): boolean {
  if (isLetterOf(answer, gold)) return true
  if (answer.kind === 'expression' && gold.kind === 'expression') return sameExpressions(answer, gold)
  if (answer.kind === 'text' && gold.kind === 'text') return sameText(answer.text, gold.text)
  if (answer.kind === 'based' || gold.kind === 'based') return sameBased(answer, gold)
  if (answer.kind === 'residue' || gold.kind === 'residue') return sameResidue(answer, gold)
  if (answer.kind === 'clock' || gold.kind === 'clock') return sameClock(answer, gold)
  if (answer.kind === 'date' || gold.kind === 'date') return sameDate(answer, gold)
  if (answer.kind === 'choice' || gold.kind === 'choice') return sameChoice(answer, gold)
  if (answer.kind === 'ratio' || gold.kind === 'ratio') return sameRatio(answer, gold)
  const assigned = sameAssigned(answer, gold)
  if (assigned !== null) return assigned
  return sameNamed(answer, gold) || sameList(answer, gold) || sameRelation(answer, gold) || sameRegion(answer, gold)
}

/** Both values of each with ±. */
function sameExpressions(answer: MathExpression, gold: MathExpression): boolean {
  if (answer.text === gold.text && answer.percent === gold.percent) return true
  const several = [answer, gold].some(({ node }) => bothSigns(node).length > 1)
  return several ? sameMembers(spread([answer]), spread([gold])) : sameQuantity(answer, gold)
}

function sameText(answer: string, gold: string): boolean {
  const plain = (text: string) =>
    text
      .replace(/[\s"']+/g, ' ')
      .trim()
      .toLowerCase()
      .replace(/^(?:the|an?) (?=\p{L}{2})/u, '')
  if (answer === gold || (answer.length > 1 && plain(answer) === plain(gold))) return true
  return (saysNone(answer) && saysNone(gold)) || (saysEverything(answer) && saysEverything(gold))
}

function sameBased(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'based' && gold.kind === 'based')
    return answer.digits === gold.digits && answer.base === gold.base
  const [based, other] = answer.kind === 'based' ? [answer, gold] : [gold, answer]
  if (other.kind === 'named') return sameBased(based, other.value)
  return other.kind === 'expression' && based.kind === 'based' && other.text === based.digits
}

/** Classes by their members; a plain number is the one that is shown. */
function sameResidue(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'residue' && gold.kind === 'residue')
    return answer.class === gold.class && answer.modulus === gold.modulus
  const [residue, other] = answer.kind === 'residue' ? [answer, gold] : [gold, answer]
  if (other.kind === 'named') return sameResidue(residue, other.value)
  const plain = other.kind === 'expression' && other.node.op === 'num' && !other.percent ? other.node.exact : null
  return residue.kind === 'residue' && plain?.d === 1n && plain.n === residue.shown
}

/** The letter that a value is, if it is but that. */
function letterOf(value: MathValue): string | null {
  if (value.kind === 'choice') return value.letter
  const letter = 'text' in value ? value.text.replace(/^\((.)\)$/, '$1') : ''
  return /^[A-Ja-j]$/.test(letter) ? letter : null
}

/** `d` where the choice is D. */
function isLetterOf(answer: MathValue, gold: MathValue): boolean {
  const [a, g] = [letterOf(answer), letterOf(gold)]
  return a !== null && g !== null && a !== g && /[A-J]/.test(g) && a.toUpperCase() === g
}

function sameChoice(answer: MathValue, gold: MathValue): boolean {
  const [a, g] = [letterOf(answer), letterOf(gold)]
  if (a !== null && g !== null) return a === g
  const behind = (value: MathValue) => (value.kind === 'choice' ? value.value : value)
  const [left, right] = [behind(answer), behind(gold)]
  return left !== null && right !== null && sameValue(left, right)
}

/** `12:00`, `3:05`. */
const isTime = (value: MathValue) => value.kind === 'ratio' && /^\d{1,2} ?: ?0\d$/.test(value.text)

function sameRatio(answer: MathValue, gold: MathValue): boolean {
  const [a, g] = [withoutName(answer), withoutName(gold)]
  if (a.kind === 'ratio' && g.kind === 'expression' && g.unit) return sameDuration(a.text, g)
  if (g.kind === 'ratio' && a.kind === 'expression' && a.unit) return sameDuration(g.text, a)
  const parts = (value: MathValue): Node[] =>
    value.kind === 'ratio'
      ? value.parts
      : value.kind === 'expression'
        ? [value.node, { op: 'num', exact: { n: 1n, d: 1n }, approx: 1, decimals: 0 }]
        : []
  if ([a, g].some(isTime)) return 'text' in a && 'text' in g && a.text.replace(/ /g, '') === g.text.replace(/ /g, '')
  const [left, right] = [parts(a), parts(g)]
  if (left.length < 2 || left.length !== right.length || [...left, ...right].some(({ op }) => op === 'matrix'))
    return false
  return left.slice(1).every((part, i) => {
    const cross = (x: Node, y: Node): Node => ({ op: 'mul', a: x, b: y })
    return sameExpression(cross(left[i]!, right[i + 1]!), cross(part, right[i]!))
  })
}

/** Names: two variables must be the same one; else the name says nothing about the value. */
function sameNamed(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind !== 'named' && gold.kind !== 'named') return false
  const isVariable = (name: string) => /^[a-zA-Z]$/.test(name)
  if (answer.kind === 'named' && gold.kind === 'named') {
    const clash = answer.name !== gold.name && isVariable(answer.name) && isVariable(gold.name)
    return !clash && sameValue(answer.value, gold.value)
  }
  if (answer.kind === 'named') return gold.kind !== 'relation' && sameValue(answer.value, gold)
  return gold.kind === 'named' && answer.kind !== 'relation' && sameValue(answer, gold.value)
}

/** Each value with ± as the two it stands for, and sets in sets laid open. */
function spread(items: MathValue[]): MathValue[] {
  return items.flatMap((item): MathValue[] => {
    if (item.kind === 'list' && (item.open === '{' || item.joined)) return spread(item.items)
    if (item.kind === 'named') return spread([item.value]).map((value) => ({ ...item, value }))
    if (item.kind !== 'expression') return [item]
    const both = bothSigns(item.node)
    return both.length === 1 ? [item] : both.map((node, i) => ({ ...item, node, text: `${item.text}#${i}` }))
  })
}

function sameList(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind !== 'list' || gold.kind !== 'list') {
    const [list, other] = answer.kind === 'list' ? [answer, gold] : [gold, answer]
    if (list.kind !== 'list') return false
    if (other.kind === 'expression' && other.node.op === 'matrix') return sameVector(list, other.node)
    // Braces around one value, or ± against its two values.
    if (other.kind !== 'expression' || list.open === '(' || list.open === '[') return false
    const golds = spread([other])
    return (golds.length > 1 || list.open === '{') && sameMembers(spread(list.items), golds)
  }
  if (isUnordered(answer) || isUnordered(gold)) {
    const brackets = [answer, gold].some((list) => list.open === '(' || list.open === '[')
    if (!brackets) return sameMembers(spread(answer.items), spread(gold.items))
    if ([answer, gold].some(({ open }) => open === '{')) return false
  }
  const [items, golds] = [signed(answer.items), signed(gold.items)]
  if (items.length !== golds.length) return false
  const bare = answer.open === '' || gold.open === ''
  const sameBrackets = answer.open === gold.open && answer.close === gold.close
  return (bare || sameBrackets) && items.every((item, i) => sameValue(item, golds[i]!))
}

/** A list's items in order, with ± laid open where the list has no brackets. */
const signed = (items: MathValue[]) => items.flatMap((item) => spread([item]))

/** Braces, "and" or "or", several values of one name, and lists of tuples have no order. */
function isUnordered(list: MathList): boolean {
  if (list.open === '{' || list.joined !== null) return true
  if (list.open !== '') return false
  const names = list.items.map((item) => (item.kind === 'named' ? item.name : null))
  // `x = 1, x = 2`, and `x = 1, 2`.
  const oneName =
    list.items.length > 1 &&
    names[0] !== null &&
    names.every((name, i) => name === names[0] || (i > 0 && name === null))
  return oneName || list.items.every((item) => item.kind === 'list' && item.open !== '')
}

/** By variable where both name theirs; in the order of the names where one is but a tuple. Null where neither has names. */
function sameAssigned(answer: MathValue, gold: MathValue): boolean | null {
  const [a, g] = [assignmentsOf(answer), assignmentsOf(gold)]
  if (a && g) {
    const roots = areRoots(a) && areRoots(g)
    if (roots) return sameMembers([...a.values()], [...g.values()])
    return a.size === g.size && [...g].every(([name, value]) => a.has(name) && sameValue(a.get(name)!, value))
  }
  const [assigned, other] = a ? [a, withoutName(gold)] : [g, withoutName(answer)]
  if (!assigned || other.kind !== 'list' || areRoots(assigned)) return null
  const values = inOrder(assigned)
  const tuple: MathList = {
    kind: 'list',
    open: other.open === '{' ? '(' : other.open,
    close: other.close,
    joined: null,
    items: values,
  }
  return a ? sameList(tuple, other) : sameList(other, tuple)
}

const withoutName = (value: MathValue) => (value.kind === 'named' ? value.value : value)

/** The same members, in any order, each as often as it likes. */
function sameMembers(answers: MathValue[], golds: MathValue[]): boolean {
  const within = (item: MathValue, list: MathValue[], flip: boolean) =>
    list.some((other) => (flip ? sameValue(other, item) : sameValue(item, other)))
  if (answers.length > 40 || golds.length > 40) return false
  return answers.every((item) => within(item, golds, false)) && golds.every((item) => within(item, answers, true))
}

/** A row or column of a matrix is the list of its entries; `[[1, 2], [3, 4]]` is one by rows. */
function sameVector(list: MathList, matrix: Extract<Node, { op: 'matrix' }>): boolean {
  const { rows } = matrix
  if (list.open === '[' && list.items.every((item) => item.kind === 'list' && item.open === '['))
    return (
      rows.length === list.items.length &&
      rows.every((row, i) => sameVector(list.items[i] as MathList, { op: 'matrix', rows: [row] }))
    )
  const isVector = rows.length === 1 || rows.every((row) => row.length === 1)
  if (list.open === '{' || !isVector) return false
  const entries = rows.flat()
  return (
    entries.length === list.items.length &&
    list.items.every((item, i) => item.kind === 'expression' && sameExpression(item.node, entries[i]!))
  )
}

/** An equation or an inequality of two sides as `left − right` and a sign of `<`, `≤`, `=` or `≠`. */
function standing(value: MathValue): { difference: Node; sign: string } | null {
  if (value.kind === 'named') {
    const right = value.value.kind === 'expression' ? value.value.node : null
    if (!value.left || !right || right.op === 'matrix') return null
    return { difference: { op: 'sub', a: value.left, b: right }, sign: '=' }
  }
  if (value.kind !== 'relation') return null
  const [left, right, another] = value.sides
  const [sign] = value.signs
  if (!left || !right || another || !sign) return null
  const [a, b] = '>≥'.includes(sign) ? [right, left] : [left, right]
  return { difference: { op: 'sub', a, b }, sign: sign === '>' ? '<' : sign === '≥' ? '≤' : sign }
}

function sameRelation(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'relation' && gold.kind === 'relation' && answer.text === gold.text) return true
  if (answer.kind !== 'relation' && gold.kind !== 'relation') return false
  if (answer.kind === 'relation' && gold.kind === 'expression') return comesTo(answer, gold.node)
  const [a, g] = [standing(answer), standing(gold)]
  if (!a || !g || a.sign !== g.sign || variables(a.difference).join() !== variables(g.difference).join()) return false
  const factor = proportion(a.difference, g.difference)
  return factor !== null && (factor > 0 || a.sign === '=' || a.sign === '≠')
}

/** Whether a chain of equalities (`x² − 1 = (x − 1)(x + 1)`) holds everywhere, and so says no more than its last side. */
const comesTo = ({ sides, signs }: MathRelation, gold: Node): boolean =>
  signs.every((sign) => sign === '=') && sides.every((side) => sameExpression(side, gold))

/** Sets of real numbers: at least one side must be more than a pair or a list of numbers. */
function sameRegion(answer: MathValue, gold: MathValue): boolean {
  const isRegion = (value: MathValue): boolean =>
    value.kind === 'named'
      ? isRegion(value.value)
      : value.kind === 'union' || isCondition(value) || value.kind === 'text' || isConditions(value)
  if (!isRegion(answer) && !isRegion(gold)) return false
  const [a, g] = [realSet(answer), realSet(gold)]
  return a !== null && g !== null && sameSet(a, g)
}

const isCondition = (value: MathValue): value is MathRelation =>
  value.kind === 'relation' && value.signs.some((sign) => sign !== '=')
const isConditions = (value: MathValue) => value.kind === 'list' && value.items.some(isCondition)
