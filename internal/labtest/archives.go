package labtest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// Archive is one real release.
type Archive struct{ Version, Path string }

// Archives are the real releases in the folder of RealEnv that this machine can
// run, the oldest version first; none when it is not set.
func Archives() ([]Archive, error) {
	dir := os.Getenv(RealEnv)
	if dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", RealEnv, err)
	}
	name := regexp.MustCompile(`^grafana-(\d+\.\d+\.\d+)\.linux-` + runtime.GOARCH + `\.tar\.gz$`)
	var out []Archive
	for _, f := range files {
		if m := name.FindStringSubmatch(f.Name()); m != nil {
			out = append(out, Archive{m[1], filepath.Join(dir, f.Name())})
		}
	}
	slices.SortFunc(out, func(a, b Archive) int { return CompareVersions(a.Version, b.Version) })
	return out, nil
}

// CompareVersions orders versions by their numbers: 9.4.0 is before 10.3.1.
func CompareVersions(a, b string) int {
	numbers := regexp.MustCompile(`\d+`)
	x, y := numbers.FindAllString(a, -1), numbers.FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i]) // digits
		n, _ := strconv.Atoi(y[i])
		if c := cmp.Compare(m, n); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}
