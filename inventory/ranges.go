package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxRange is how many hosts one name may stand for.
const MaxRange = 10_000

// maxRanged is how long a name with ranges may be, zeros of its numbers included: each of
// the hosts has all of it.
const maxRanged = 512

// ExpandRange expands every range in a name, the last one counting fastest:
// "r[a:b]n[01:03]" is ra-n01 ... rb-n03. A range is [first:last] or
// [first:last:step] over numbers, whose leading zeros are kept, or over letters
// a to z. [:last] starts at 0, as in Ansible. A name without ranges is returned as it is.
// An IPv6 address in brackets ("[fd00::1]") is not a range.
func ExpandRange(name string) ([]string, error) {
	out := []string{""}
	rest := name
	if len(name) > maxRanged && hasRange(name) {
		return nil, fmt.Errorf("a name with ranges has at most %d characters, this one %d", maxRanged, len(name))
	}
	for {
		open := strings.IndexByte(rest, '[')
		if open < 0 || isIPv6(rest[open:]) {
			return appendAll(out, rest), nil
		}
		width := strings.IndexByte(rest[open:], ']')
		if width < 0 {
			return nil, fmt.Errorf("range %q has no closing ]", rest[open:])
		}
		values, err := rangeValues(rest[open+1 : open+width])
		if err != nil {
			return nil, err
		}
		if len(out)*len(values) > MaxRange {
			return nil, fmt.Errorf("%q stands for more than %d hosts", name, MaxRange)
		}
		out = appendAll(out, rest[:open])
		next := make([]string, 0, len(out)*len(values))
		for _, prefix := range out {
			for _, v := range values {
				next = append(next, prefix+v)
			}
		}
		out, rest = next, rest[open+width+1:]
	}
}

func appendAll(prefixes []string, suffix string) []string {
	if suffix == "" {
		return prefixes
	}
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p + suffix
	}
	return out
}

// isIPv6 tells whether s starts with a bracketed IPv6 address: it has a double
// colon or more colons than a range can have.
func isIPv6(s string) bool {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return false
	}
	inner := s[1:end]
	return strings.Contains(inner, "::") || strings.Count(inner, ":") > 2
}

// hasRange tells whether a name holds a range.
func hasRange(name string) bool {
	open := strings.IndexByte(name, '[')
	return open >= 0 && !isIPv6(name[open:])
}

// rangeValues lists what is between the brackets.
func rangeValues(body string) ([]string, error) {
	parts := strings.Split(body, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, fmt.Errorf("range [%s] must be [first:last] or [first:last:step]", body)
	}
	step := 1
	if len(parts) == 3 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 || n > MaxRange {
			return nil, fmt.Errorf("step of range [%s] must be a number from 1 to %d", body, MaxRange)
		}
		step = n
	}
	first, last := parts[0], parts[1]
	if first == "" {
		first = "0"
	}
	if last == "" {
		return nil, fmt.Errorf("range [%s] has no end", body)
	}
	if isLetter(first) && isLetter(last) {
		return letters(body, first[0], last[0], step)
	}
	return numbers(body, first, last, step)
}

func isLetter(s string) bool {
	return len(s) == 1 && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

func letters(body string, first, last byte, step int) ([]string, error) {
	if first > last || (first < 'a') != (last < 'a') {
		return nil, fmt.Errorf("range [%s] must run upwards within one case", body)
	}
	var out []string
	for c := int(first); c <= int(last); c += step {
		out = append(out, string(rune(c)))
	}
	return out, nil
}

func numbers(body, first, last string, step int) ([]string, error) {
	low, err1 := strconv.ParseUint(first, 10, 31)
	high, err2 := strconv.ParseUint(last, 10, 31)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("range [%s] must run over numbers or over single letters", body)
	case low > high:
		return nil, fmt.Errorf("range [%s] runs backwards", body)
	case (high-low)/uint64(step) >= MaxRange:
		return nil, fmt.Errorf("range [%s] stands for more than %d hosts", body, MaxRange)
	}
	width := 0
	if len(first) > 1 && first[0] == '0' {
		width = len(first)
		if len(last) != width {
			return nil, fmt.Errorf("range [%s]: both ends need the same number of digits when one has leading zeros", body)
		}
	}
	var out []string
	for n := low; n <= high; n += uint64(step) {
		out = append(out, fmt.Sprintf("%0*d", width, n))
	}
	return out, nil
}
