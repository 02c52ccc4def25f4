package inventory

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// FoldNames lists hosts, runs of them in the inventory's own range syntax:
// "g[01:12].example.com, h1, h2". Ranges begin at three hosts, below that the
// names are easier to read.
func FoldNames(hosts []string) string {
	var out []string
	for i := 0; i < len(hosts); {
		n := runLength(hosts[i:])
		if n < 3 {
			out = append(out, hosts[i])
			i++
			continue
		}
		a, b := splitName(hosts[i]), splitName(hosts[i+n-1])
		out = append(out, fmt.Sprintf("%s[%s:%s]%s", a.prefix, a.digits, b.digits, a.suffix))
		i += n
	}
	return strings.Join(out, ", ")
}

// runLength counts how many names from the first on are consecutive numbers.
func runLength(hosts []string) int {
	first := splitName(hosts[0])
	if first.digits == "" {
		return 1
	}
	n := 1
	for n < len(hosts) {
		next := splitName(hosts[n])
		if next.prefix != first.prefix || next.suffix != first.suffix || next.number != first.number+n ||
			!samePadding(first.digits, next.digits) {
			break
		}
		n++
	}
	return n
}

// samePadding: g9, g10 is a range, g09, g10 is one, g9, g010 is none.
func samePadding(a, b string) bool {
	return len(a) == len(b) || a[0] != '0' && b[0] != '0'
}

type splitHost struct {
	prefix, digits, suffix string
	number                 int
}

// splitName finds the number in the first label of a host name.
func splitName(host string) splitHost {
	label, domain, dotted := strings.Cut(host, ".")
	if dotted {
		domain = "." + domain
	}
	end := strings.LastIndexAny(label, "0123456789") + 1
	start := end
	for start > 0 && label[start-1] >= '0' && label[start-1] <= '9' {
		start--
	}
	number, err := strconv.Atoi(label[start:end])
	if err != nil || start == 0 && dotted { // 10.0.0.1 is an address, not a name with a number
		return splitHost{prefix: host}
	}
	return splitHost{prefix: label[:start], digits: label[start:end], suffix: label[end:] + domain, number: number}
}

// ByNumber orders names as people count: h2 before h10.
func ByNumber(a, b string) int {
	x, y := splitName(a), splitName(b)
	return cmp.Or(cmp.Compare(x.prefix, y.prefix), cmp.Compare(x.suffix, y.suffix), cmp.Compare(x.number, y.number))
}
