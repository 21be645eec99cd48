import assert from 'node:assert/strict'
import { test } from 'node:test'
import { math } from '../../../../src/core/verifiers/math/index.ts'

/** Kinds of answer: gold, then what says the same, then what does not. */
const KINDS: Record<string, [gold: string, right: string[], wrong: string[]][]> = {
  numbers: [
    ['1234567', ['1,234,567', '1 234 567', '$1{,}234{,}567$', '1234567.0', '$1\\,234\\,567$'], ['1,234,568', '123,4567', '-1234567']],
    ['0.5', ['1/2', '.5', '50%', '$\\frac12$', '2^{-1}', '5 \\times 10^{-1}'], ['0.05', '5', '500%', '-0.5']],
    ['1800000000', ['1.8 billion', '$1.8 \\times 10^9$', '1.8e9', '1,800 million'], ['1.8 million', '1.8', '18 billion']],
    ['-7', ['−7', '$-7$', '(-7)', '-\\frac{14}{2}', '$x = -7$'], ['7', '$x=7$', '-0.7']],
    ['2.75', ['2,75', '2\\frac{3}{4}', '2 3/4', '11/4', '$2.750$'], ['2.57', '275', '2\\frac{1}{4}']],
    ['1234.5', ['1.234,5', '1,234.5', '1234,5'], ['1234', '12345']],
    ['\\frac{1}{3}', ['0.3333', '1/3', '2/6', '0.\\overline{3}', '$0.333333$', '3^{-1}'], ['0.33', '0.3', '3', '0.34', '-1/3']],
    ['0.\\overline{27}', ['3/11', '\\frac{27}{99}'], ['27/100', '0.27']],
    ['120', ['5!', '$5!$', '\\binom{10}{3}', '$\\boxed{5!}$', '2^3 \\cdot 15'], ['5', '\\binom{10}{4}', '120!']],
    ['2^{2024}', ['4^{1012}', '2 \\cdot 2^{2023}'], ['2^{2023}', '2^{2025}', '4048']],
    ['21', ['twenty-one', 'Twenty one', '\\boxed{\\text{twenty-one}}', 'The answer is twenty-one apples.'], ['twelve', 'twenty']],
    ['7', ['seven', 'So 3 + 4 = 7', 'is 7', 'It is 7.'], ['eight', 'So 3 + 4 = 8']],
    ['6', ['5.9999999', '6.00'], ['5.995', '5.99', '6.01']],
    ['7.78', ['7.777777', '\\$7.78', '7.780'], ['7.7', '7.87', '8', '7.79']],
    ['\\sqrt{17}', ['4.123105625617661', '17^{1/2}', '17^{0.5}', '√17', 'sqrt(17)'], ['4.12', '\\sqrt{18}', '17', '-\\sqrt{17}']],
    ['\\pi', ['3.14159265', 'π', 'pi', '\\frac{2\\pi}{2}'], ['3.14', '3', '2\\pi', '\\pi^2']],
  ],
  'units and money': [
    ['5', ['5 cm', '5cm', '$5$', '\\$5', '5 dollars', '5 cm^2', '$5\\text{ m/s}$', 'x=5', '5 apples', '5^\\circ'], ['5x', '50 cm', '5^2']],
    ['5 \\text{ m}', ['500 cm', '5', '5 metres', '$5\\text{ m}$'], ['5 cm', '5 s', '50 cm']],
    ['2 hours', ['120 minutes', '2', '2 hrs', '7200 s'], ['2 minutes', '120 hours', '120']],
    ['$12.50', ['12.5', '$12.50', '12.50 dollars', '1250 cents', 'US$12.50'], ['12.05', '1250 dollars']],
    ['28\\%', ['28', '0.28', '28 percent', '28 pct', '$28$ percent', '\\frac{7}{25}'], ['2.8', '0.028', '28.5%', '72%']],
    ['90^\\circ', ['90', '90 degrees', '90°', '$90^{\\circ}$'], ['45°', '90.5']],
  ],
  fractions: [
    ['\\frac{3}{4}', ['3/4', '0.75', '\\dfrac{3}{4}', '\\tfrac34', '75\\%', '\\frac{6}{8}', '{3}/{4}'], ['4/3', '0.74', '3.4', '-\\frac34']],
    ['1\\frac{1}{2}', ['3/2', '1.5', '1 1/2', '$1 \\frac12$'], ['\\frac{11}{2}', '\\frac12', '1.25']],
    ['-\\frac{40}{153}', ['\\frac{-40}{153}', '-40/153', '\\frac{40}{-153}'], ['\\frac{40}{153}', '-\\frac{153}{40}']],
    ['3:4', ['6:8', '\\frac{3}{4}', '3/4', '3 : 4'], ['4:3', '3:5', '34']],
    ['1:2:3', ['2:4:6'], ['1:2:4', '3:2:1', '1:2']],
  ],
  'radicals, powers and functions': [
    ['3\\sqrt{13}', ['\\sqrt{117}', '\\sqrt{9\\cdot 13}', '\\sqrt{13}\\cdot 3'], ['13\\sqrt{3}', '\\sqrt{39}', '3\\sqrt{14}']],
    ['\\frac{\\sqrt{3}}{3}', ['\\frac{1}{\\sqrt{3}}', '\\frac{\\sqrt3}3', '3^{-1/2}', '\\tan 30^\\circ'], ['\\sqrt{3}', '\\frac{\\sqrt{3}}{2}']],
    ['2\\sqrt[3]{2}', ['\\sqrt[3]{16}', '2^{4/3}'], ['\\sqrt{16}', '2\\sqrt{2}']],
    ['3+2\\sqrt{2}', ['(1+\\sqrt{2})^2', '2\\sqrt 2+3'], ['3-2\\sqrt{2}', '(1+\\sqrt2)']],
    ['-2', ['\\sqrt[3]{-8}', '\\log_2 \\frac14', '\\log_{10} 0.01'], ['2', '\\sqrt{-8}']],
    ['3+4i', ['4i+3', '(2+i)^2'], ['3-4i', '4+3i', '7']],
    ['\\ln 2', ['\\log_e 2', '-\\ln\\frac12', '\\frac{\\ln 4}{2}'], ['\\log 2', '\\ln 3', '2']],
    ['\\sin^2 x', ['1-\\cos^2 x', '(\\sin x)^2', '\\frac{1-\\cos 2x}{2}'], ['\\sin x', '\\cos^2 x', '\\sin x^2']],
    ['\\tan x', ['\\frac{\\sin x}{\\cos x}', '\\sin(x)/\\cos(x)'], ['\\cot x', '\\sin x \\cos x']],
    ['e^{2x}', ['(e^x)^2', '\\exp(2x)'], ['e^{x^2}', '2e^x']],
    ['x^{2/3}', ['\\sqrt[3]{x^2}', '\\sqrt[3]{x}^2'], ['x^{3/2}', '\\sqrt{x^3}']],
    ['|x-2|', ['|2-x|', '\\left|x-2\\right|', '\\sqrt{(x-2)^2}'], ['x-2', '2-x']],
  ],
  algebra: [
    ['x^2-4', ['(x-2)(x+2)', 'x^2 - 4', '-4+x^2', 'x*x-4', 'x**2-4', '\\left(x-2\\right)\\left(x+2\\right)'], ['x^2+4', '(x-2)^2', 'x-4', 'y^2-4']],
    ['2-2p', ['2(1-p)', '-2p+2', '$-2p + 2$'], ['2p-2', '2-p']],
    ['\\frac{x+1}{x-1}', ['\\frac{x^2+2x+1}{x^2-1}', '1+\\frac{2}{x-1}', '(x+1)/(x-1)'], ['\\frac{x-1}{x+1}', 'x+1/x-1', '-1']],
    ['(a+b)^3', ['a^3+3a^2b+3ab^2+b^3', '(b+a)^3'], ['a^3+b^3', '(a-b)^3']],
    ['\\frac{n(n+1)}{2}', ['\\frac{n^2+n}{2}', '\\frac12 n(n+1)', '0.5n^2+0.5n'], ['n(n+1)', '\\frac{n(n-1)}{2}']],
    ['y = 2x+1', ['2x+1', 'y=1+2x', '2x - y + 1 = 0', '2y = 4x+2', '$y - 1 = 2x$'], ['y=2x-1', '2x', 'y = x+1', '2y=2x+1']],
    ['x^2+y^2=4', ['y^2 + x^2 = 4', 'x^2+y^2-4=0', '\\frac{x^2}{4}+\\frac{y^2}{4}=1'], ['x^2+y^2=2', 'x^2-y^2=4', '4']],
    ['f(x)=x^2+1', ['x^2+1', 'f(x) = 1+x^2', 'y=x^2+1'], ['f(x)=x^2-1', 'x^2']],
    ['a_1 + a_2', ['a_2+a_1', 'a_{1}+a_{2}'], ['a_1+a_3', 'a_1 a_2']],
    ['\\frac{\\pi r}{h+r}', ['\\pi \\cdot \\frac{r}{r+h}', '\\pi r/(h+r)'], ['\\frac{\\pi h}{h+r}', '\\pi r/h+r']],
  ],
  'several answers': [
    ['\\{1, 2, 3\\}', ['\\{3,2,1\\}', '1, 2, 3', '{1,2,3}', '1, 2 and 3', 'x=1 or x=2 or x=3'], ['1, 2', '\\{1,2,4\\}', '1, 2, 3, 4', '123']],
    ['x=1 \\text{ or } x=2', ['x=2, x=1', '1, 2', '\\{1,2\\}', '2 or 1', '\\boxed{1} and \\boxed{2}', 'x \\in \\{1,2\\}'], ['x=1', 'x=1 or x=3', '(1,2)x']],
    ['\\pm 3', ['3, -3', '-3, 3', 'x = \\pm 3', '\\{-3, 3\\}', '3 \\text{ or } -3'], ['3', '-3', '\\pm 9', '0']],
    ['2 \\pm \\sqrt{5}', ['2+\\sqrt5, 2-\\sqrt5', 'x = 2 \\pm \\sqrt{5}', '\\frac{4\\pm\\sqrt{20}}{2}'], ['2+\\sqrt{5}', '5\\pm\\sqrt{2}', '-2\\pm\\sqrt5']],
    ['x=1, y=2', ['y=2, x=1', '1, 2', '(1,2)', '(x,y)=(1,2)'], ['x=2, y=1', '2, 1', '(2,1)']],
    ['10, 4, 2', ['10,4,2', '10; 4; 2'], ['4, 10, 2', '10, 4', '10 + 4 + 2', '1042']],
    ['(1,2),(3,4)', ['(3,4),(1,2)', '(1, 2) and (3, 4)', '\\{(1,2),(3,4)\\}'], ['(2,1),(3,4)', '(1,2)', '(1,3),(2,4)']],
    ['(100,200)', ['(100, 200)', '$(100, 200)$'], ['(200,100)', '100200', '100']],
  ],
  'tuples, intervals and sets': [
    ['(3, -1)', ['(3,-1)', '\\left(3, -1\\right)', '(x,y) = (3,-1)', '(\\frac{6}{2}, -1)'], ['(-1,3)', '[3,-1]', '3', '(3,1)', '\\{3,-1\\}']],
    ['[0,1)', ['$[0, 1)$', '0 \\le x < 1', 'x \\in [0,1)', '1 > x \\geq 0', '[0, 1.0)'], ['(0,1)', '[0,1]', '0<x<1', '[0,2)']],
    ['(-\\infty, 2) \\cup (2, \\infty)', ['x \\ne 2', 'x \\neq 2', '(2,\\infty)\\cup(-\\infty,2)', '\\mathbb{R} \\setminus \\{2\\}'], ['(-\\infty,\\infty)', '(-\\infty,2)', 'x \\neq 3', 'x=2']],
    ['x > 5', ['5 < x', '(5,\\infty)', '-x < -5', '2x > 10', 'x \\in (5, \\infty)', 'x \\gt 5'], ['x \\ge 5', 'x<5', '5', '(-\\infty,5)', 'y > 5']],
    ['|x| \\le 3', ['-3 \\le x \\le 3', '[-3,3]', 'x^2 \\le 9'], ['(-3,3)', 'x \\le 3', '[0,3]']],
    ['x < -1 \\text{ or } x > 4', ['(-\\infty,-1)\\cup(4,\\infty)', 'x>4 or x<-1'], ['-1<x<4', '(-\\infty,-1]\\cup[4,\\infty)', 'x>4']],
    ['\\{-1\\} \\cup [0,7)', ['[0,7) \\cup \\{-1\\}'], ['[0,7)', '\\{1\\}\\cup[0,7)', '[-1,7)']],
    ['\\emptyset', ['no solution', '\\varnothing', 'No real solutions'], ['0', 'x=1', '\\mathbb{R}']],
    ['\\mathbb{R}', ['(-\\infty, \\infty)', 'all real numbers'], ['(0,\\infty)', '\\emptyset']],
  ],
  matrices: [
    ['\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}', ['\\begin{bmatrix} 1&2\\\\3&4\\end{bmatrix}', '\\left[\\begin{array}{cc}1&2\\\\3&4\\end{array}\\right]', '2\\begin{pmatrix} 1/2 & 1 \\\\ 3/2 & 2 \\end{pmatrix}'], ['\\begin{pmatrix} 1 & 3 \\\\ 2 & 4 \\end{pmatrix}', '\\begin{pmatrix} 1 & 2 & 3 & 4 \\end{pmatrix}', '4', '-2']],
    ['\\begin{pmatrix} 1 \\\\ -2 \\end{pmatrix}', ['\\begin{bmatrix} 1 \\\\[2pt] -2 \\end{bmatrix}', '(1,-2)', '\\langle 1, -2\\rangle'], ['(-2,1)', '\\begin{pmatrix} 1 & 2 \\end{pmatrix}']],
  ],
  'words, choices and bases': [
    ['\\text{Even}', ['even', 'Even', '\\boxed{\\text{even}}', '$Even$'], ['Odd', 'even number theory of sets', '2']],
    ['C', ['(C)', '\\text{(C)}', '\\boxed{C}', 'The answer is C.', 'The answer is (C) 12.', '\\boxed{\\textbf{(C)}\\ 12}'], ['D', '(A)', 'The answer is (B) 3']],
    ['12', ['\\boxed{\\textbf{(C)}\\ 12}'], ['\\boxed{\\textbf{(C)}\\ 13}', '\\boxed{(C)}']],
    ['204_5', ['204_{5}', '204', '$204_5$'], ['204_7', '205_5', '54_5']],
  ],
} // prettier-ignore

for (const [kind, groups] of Object.entries(KINDS))
  test(`tells right ${kind} from wrong ones`, () => {
    const mistakes: string[] = []
    for (const [gold, right, wrong] of groups)
      for (const [list, expected] of [[right, true], [wrong, false]] as const)
        for (const text of list) {
          const { correct, extracted } = math.verify({ text, gold })
          if (correct !== expected) mistakes.push(`${text} (${extracted}) ${expected ? 'is' : 'is not'} ${gold}`)
        } // prettier-ignore
    assert.deepEqual(mistakes, [])
  })
