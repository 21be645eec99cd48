/** What one place of a source text could be changed to. */
import ts from 'typescript'

/** Replace `[start, end)` of the text. */
export interface Change {
  start: number
  end: number
  text: string
}

const OPERATORS: Record<string, string[]> = {
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '**': ['*'],
  '%': ['*'],
  '+=': ['-='],
  '-=': ['+='],
  '*=': ['/='],
  '/=': ['*='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '==': ['!='],
  '!=': ['=='],
  '&&': ['||'],
  '||': ['&&'],
  '??=': ['='],
}
const OTHER_METHOD: Record<string, string> = { every: 'some', some: 'every', min: 'max', max: 'min' }
const DROPPED_METHODS = new Set(['filter', 'slice', 'sort', 'toSorted', 'reverse', 'toReversed', 'trim'])

/** Fields and calls that hold prose: what they say is no behaviour. */
const PROSE_FIELDS = new Set(['summary', 'description', 'example', 'examples', 'title', 'tags'])
const PROSE_CALLS = new Set(['description', 'title', 'examples', 'metadata'])
const LOGGING = /^(console|log|logError|deps\.log|deps\.logError)\b/

const nameOf = (node: ts.Node): string | undefined =>
  ts.isIdentifier(node) || ts.isStringLiteral(node) ? node.text : undefined
/** The `f` of `f(…)` and of `a.f(…)`. */
const calledName = ({ expression }: ts.CallExpression): string | undefined =>
  nameOf(ts.isPropertyAccessExpression(expression) ? expression.name : expression)

/** Whether nothing within a node is ever changed. */
function isSkipped(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isMetaProperty(node)) return true
  if (ts.isPropertyAssignment(node)) return PROSE_FIELDS.has(nameOf(node.name) ?? '')
  if (!ts.isCallExpression(node)) return false
  return PROSE_CALLS.has(calledName(node) ?? '') || LOGGING.test(node.expression.getText())
}

/** Whether `+` joins texts here: no other operator could. */
const joinsText = (node: ts.Expression): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isParenthesizedExpression(node) && joinsText(node.expression)) ||
  (ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.PlusToken &&
    (joinsText(node.left) || joinsText(node.right)))

/** The condition that decides which way to go from here, if any. */
function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) return node.expression
  return ts.isConditionalExpression(node) || ts.isForStatement(node) ? node.condition : undefined
}

/** One more; twice as much where a number is so large that one more is the same number. */
const anotherNumber = (n: number): number => (n + 1 === n ? n * 2 : n + 1)

/** The changes of one node, leaving those of its parts to them. */
function* changesOf(node: ts.Node): Generator<Change> {
  const put = (what: ts.Node, text: string): Change => ({ start: what.getStart(), end: what.end, text })

  const condition = conditionOf(node)
  // Forced false, an early exit is never taken: that is the mutant without its guard. Loops forced true only hang.
  if (condition) yield put(condition, 'false')
  if (condition && (ts.isIfStatement(node) || ts.isConditionalExpression(node))) yield put(condition, 'true')

  if (ts.isBinaryExpression(node)) {
    const operator = node.operatorToken.getText()
    if (operator === '??') yield put(node, node.right.getText())
    else if (!(operator === '+' && joinsText(node)))
      for (const other of OPERATORS[operator] ?? []) yield put(node.operatorToken, other)
  } else if (ts.isPrefixUnaryExpression(node)) {
    if (node.operator === ts.SyntaxKind.ExclamationToken) yield put(node, node.operand.getText())
    if (node.operator === ts.SyntaxKind.MinusToken && !ts.isNumericLiteral(node.operand))
      yield put(node, node.operand.getText())
  } else if (ts.isNumericLiteral(node)) {
    const isName = ts.isPropertyAssignment(node.parent) && node.parent.name === node
    if (!isName) yield put(node, `${anotherNumber(+node.text)}`)
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) yield put(node, 'false')
  else if (node.kind === ts.SyntaxKind.FalseKeyword) yield put(node, 'true')
  else if (ts.isExpressionStatement(node)) {
    const call = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression
    const isSuper = ts.isCallExpression(call) && call.expression.kind === ts.SyntaxKind.SuperKeyword
    if (ts.isCallExpression(call) && !isSuper && !isSkipped(call)) yield put(node, 'void 0')
  } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression
    const other = OTHER_METHOD[name.text]
    if (other) yield put(name, other)
    if (DROPPED_METHODS.has(name.text)) yield put(node, expression.getText())
  } else if (ts.isNewExpression(node) && nameOf(node.expression) === 'GavelError') {
    const code = node.arguments?.[0]
    if (code && ts.isStringLiteral(code)) yield put(code, code.text === 'conflict' ? `'not_found'` : `'conflict'`)
  } else if (ts.isSpreadAssignment(node)) yield put(node, '...{}')
}

/** Every change of a source text, in order of place. */
export function candidates(text: string, file = 'source.ts'): Change[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const found: Change[] = []
  const visit = (node: ts.Node): void => {
    if (isSkipped(node)) return
    found.push(...changesOf(node))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found.sort((a, b) => a.start - b.start || a.end - b.end)
}
