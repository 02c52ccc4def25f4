package tasks

import (
	"fmt"
	"strconv"
	"strings"
)

// share reads "3" or "25%" as a number of hosts out of n. A percentage is
// rounded down, so that it is never exceeded, and then raised to 1, so that a
// rollout always moves:
//
//	10% of 3 = 1, 25% of 40 = 10, 50% of 3 = 1, 50% of 5 = 2, 100% of 5 = 5
func share(s string, n int) (int, error) {
	s = strings.TrimSpace(s)
	if p, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.Atoi(p)
		if err != nil || v < 0 || v > 100 {
			return 0, fmt.Errorf("%q is not a percentage from 0%% to 100%%", s)
		}
		return max(n*v/100, 1), nil
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%q is neither a number of hosts nor a percentage", s)
	}
	return v, nil
}

// unavailableCap is how many hosts of n may be out of service at once. Whatever
// the inventory says, one host of several keeps serving.
func unavailableCap(maxUnavailable string, n int) (int, error) {
	if maxUnavailable == "" {
		maxUnavailable = "1"
	}
	limit, err := share(maxUnavailable, n)
	if err != nil {
		return 0, fmt.Errorf("rollout.max_unavailable: %w", err)
	}
	return max(min(limit, n-1), 1), nil
}

// batches cuts order into batches of the sizes in spec, the last size repeated,
// none larger than limit. Percentages are of all n hosts of the cluster, not of
// those that change, so that a size means the same in every run.
func batches(order []string, spec []string, limit, n int) ([][]string, error) {
	if len(spec) == 0 {
		spec = []string{"1"}
	}
	var out [][]string
	for i := 0; len(order) > 0; i++ {
		size, err := share(spec[min(i, len(spec)-1)], n)
		if err != nil {
			return nil, fmt.Errorf("rollout.batch: %w", err)
		}
		size = min(size, limit, len(order))
		out = append(out, order[:size:size])
		order = order[size:]
	}
	return out, nil
}

// batchesByLabel makes one batch of all hosts with the same value of a label, in
// order of their first appearance, cut to limit.
func batchesByLabel(order []string, value func(host string) string, limit int) [][]string {
	var values []string
	by := map[string][]string{}
	for _, h := range order {
		v := value(h)
		if _, ok := by[v]; !ok {
			values = append(values, v)
		}
		by[v] = append(by[v], h)
	}
	var out [][]string
	for _, v := range values {
		for hosts := by[v]; len(hosts) > 0; {
			size := min(limit, len(hosts))
			out = append(out, hosts[:size:size])
			hosts = hosts[size:]
		}
	}
	return out
}
