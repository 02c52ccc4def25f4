package tasks

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShareRoundsDownButNeverToNothing(t *testing.T) {
	for _, tt := range []struct {
		spec string
		want map[int]int // hosts in the cluster: share
	}{
		{"0%", map[int]int{1: 1, 2: 1, 3: 1, 5: 1, 40: 1}},
		{"10%", map[int]int{1: 1, 2: 1, 3: 1, 5: 1, 40: 4}},
		{"25%", map[int]int{1: 1, 2: 1, 3: 1, 5: 1, 40: 10}},
		{"50%", map[int]int{1: 1, 2: 1, 3: 1, 5: 2, 40: 20}},
		{"99%", map[int]int{1: 1, 2: 1, 3: 2, 5: 4, 40: 39}},
		{"100%", map[int]int{1: 1, 2: 2, 3: 3, 5: 5, 40: 40}},
		{"2", map[int]int{1: 2, 2: 2, 3: 2, 5: 2, 40: 2}},
	} {
		for n, want := range tt.want {
			if got, err := share(tt.spec, n); err != nil || got != want {
				t.Errorf("share(%q, %d) = %d, %v; want %d", tt.spec, n, got, err, want)
			}
		}
	}
	for _, bad := range []string{"", "0", "-1", "101%", "x", "%", "1.5"} {
		if got, err := share(bad, 3); err == nil {
			t.Errorf("share(%q) = %d, want an error", bad, got)
		}
	}
}

func TestOneHostAlwaysKeepsServing(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 1, 3: 2, 5: 4, 40: 39} {
		if got, err := unavailableCap("100%", n); err != nil || got != want {
			t.Errorf("unavailableCap(100%%, %d) = %d, %v; want %d", n, got, err, want)
		}
	}
}

func TestBatches(t *testing.T) {
	hosts := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("h", i+1))
		}
		return out
	}
	for _, tt := range []struct {
		name     string
		n, limit int
		spec     []string
		sizes    []int
	}{
		{"default is one by one", 3, 2, nil, []int{1, 1, 1}},
		{"the cap holds against the batch", 3, 1, []string{"100%"}, []int{1, 1, 1}},
		{"the last size repeats", 5, 4, []string{"1", "2"}, []int{1, 2, 2}},
		{"a canary, a quarter, the rest", 40, 39, []string{"1", "25%", "100%"}, []int{1, 10, 29}},
		{"a quarter of three is one", 3, 2, []string{"25%"}, []int{1, 1, 1}},
		{"one host", 1, 1, []string{"50%"}, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := batches(hosts(tt.n), tt.spec, tt.limit, tt.n)
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			seen := 0
			for _, b := range got {
				sizes = append(sizes, len(b))
				seen += len(b)
			}
			if diff := cmp.Diff(tt.sizes, sizes); diff != "" || seen != tt.n {
				t.Errorf("sizes (-want +got), %d of %d hosts:\n%s", seen, tt.n, diff)
			}
		})
	}
	t.Run("by label", func(t *testing.T) {
		racks := map[string]string{"h1": "a", "h2": "b", "h3": "a", "h4": "b", "h5": "b"}
		got := batchesByLabel(hosts(5), func(h string) string { return racks[h] }, 2)
		want := [][]string{{"h1", "h3"}, {"h2", "h4"}, {"h5"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
