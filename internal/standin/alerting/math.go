package alerting

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// calculate evaluates a math expression such as "$A > 0 && 1 == 1" over the
// values of other queries. Comparisons give 1 or 0.
func calculate(expression string, values map[string]float64) (float64, error) {
	p := &parser{rest: expression, values: values}
	v, err := p.binary(0)
	if err != nil {
		return 0, fmt.Errorf("math expression %q: %w", expression, err)
	}
	if p.space(); p.rest != "" {
		return 0, fmt.Errorf("math expression %q: unexpected %q", expression, p.rest)
	}
	return v, nil
}

type parser struct {
	rest   string
	values map[string]float64
}

// levels are the binary operators, weakest first; longer ones before their prefixes.
var levels = [][]string{{"||"}, {"&&"}, {"==", "!=", "<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) binary(level int) (float64, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		op := p.operator(levels[level])
		if op == "" {
			break
		}
		var right float64
		if right, err = p.binary(level + 1); err == nil {
			left = apply(op, left, right)
		}
	}
	return left, err
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

func (p *parser) operator(ops []string) string {
	p.space()
	for _, op := range ops {
		if r, ok := strings.CutPrefix(p.rest, op); ok {
			p.rest = r
			return op
		}
	}
	return ""
}

func (p *parser) unary() (float64, error) {
	switch p.operator([]string{"!", "-", "("}) {
	case "!":
		v, err := p.unary()
		return truth(v == 0), err
	case "-":
		v, err := p.unary()
		return -v, err
	case "(":
		v, err := p.binary(0)
		if err == nil && p.operator([]string{")"}) == "" {
			err = fmt.Errorf("missing ) before %q", p.rest)
		}
		return v, err
	}
	return p.operand()
}

func (p *parser) operand() (float64, error) {
	if r, ok := strings.CutPrefix(p.rest, "$"); ok {
		r = strings.TrimPrefix(r, "{")
		name := leading(r, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' })
		p.rest = strings.TrimPrefix(r[len(name):], "}")
		v, ok := p.values[name]
		if !ok {
			return 0, fmt.Errorf("there is no query %q", name)
		}
		return v, nil
	}
	text := leading(p.rest, func(c rune) bool { return unicode.IsDigit(c) || c == '.' })
	p.rest = p.rest[len(text):]
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("expected a number or $ref before %q", p.rest)
	}
	return v, nil
}

func leading(s string, ok func(rune) bool) string {
	end := strings.IndexFunc(s, func(c rune) bool { return !ok(c) })
	if end < 0 {
		return s
	}
	return s[:end]
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func apply(op string, a, b float64) float64 {
	switch op {
	case "||":
		return truth(a != 0 || b != 0)
	case "&&":
		return truth(a != 0 && b != 0)
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(a < b)
	case "<=":
		return truth(a <= b)
	case ">":
		return truth(a > b)
	case ">=":
		return truth(a >= b)
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	}
	return math.Mod(a, b)
}
