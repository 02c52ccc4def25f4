package grafana

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a Grafana version. Versions are comparable with == and ordered by
// [Version.Compare]; the zero Version is none.
type Version struct {
	major, minor, patch uint64
	pre, meta           string
}

// securityBuild is how Grafana names a release rebuilt for a security fix:
// "11.3.0+security-01". SemVer says build metadata has no precedence; here it does.
var securityBuild = regexp.MustCompile(`^security-(\d+)$`)

// ParseVersion reads "10.3.1", "v11.3.0+security-01" or "12.0.0-pre". All three
// numbers are wanted, because "12.3" names no release that could be installed.
func ParseVersion(s string) (Version, error) {
	sv, err := semver.StrictNewVersion(strings.TrimPrefix(strings.TrimSpace(s), "v"))
	if err != nil {
		return Version{}, fmt.Errorf("parsing the version %q: %w (want three numbers, like 12.3.1)", s, err)
	}
	return Version{major: sv.Major(), minor: sv.Minor(), patch: sv.Patch(), pre: sv.Prerelease(), meta: sv.Metadata()}, nil
}

// release is the version of a table row.
func release(major, minor, patch uint64) Version {
	return Version{major: major, minor: minor, patch: patch}
}

// IsZero says that v is no version.
func (v Version) IsZero() bool { return v == Version{} }

// Major is the first number of the version.
func (v Version) Major() uint64 { return v.major }

// Minor is the second number of the version.
func (v Version) Minor() uint64 { return v.minor }

// Compare orders versions: -1, 0 or 1. A pre-release sorts before its release,
// a security build after it ("11.3.0" < "11.3.0+security-01" < "11.3.1").
func (v Version) Compare(o Version) int {
	a, b := v.semver(), o.semver()
	if c := a.Compare(b); c != 0 {
		return c
	}
	x, y := v.security(), o.security()
	if x != y {
		if x < y {
			return -1
		}
		return 1
	}
	return strings.Compare(v.meta, o.meta)
}

func (v Version) semver() *semver.Version {
	return semver.New(v.major, v.minor, v.patch, v.pre, "")
}

func (v Version) security() int {
	m := securityBuild.FindStringSubmatch(v.meta)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// AtLeast says whether v is the release o or later. A pre-release of o counts:
// the nightly builds before 9.4.0 have what 9.4.0 has.
func (v Version) AtLeast(o Version) bool {
	v.pre, v.meta = "", ""
	return v.Compare(o) >= 0
}

// SameRelease says whether two versions are the same but for their build
// metadata, which neither a tarball's VERSION nor /api/health always carries.
func (v Version) SameRelease(o Version) bool {
	v.meta, o.meta = "", ""
	return v == o
}

// String is the version without a leading v, as Grafana's own files write it.
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	s := fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch)
	if v.pre != "" {
		s += "-" + v.pre
	}
	if v.meta != "" {
		s += "+" + v.meta
	}
	return s
}

// MarshalText makes versions strings in JSON.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote; an empty text is the zero Version.
func (v *Version) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = Version{}
		return nil
	}
	p, err := ParseVersion(string(b))
	if err != nil {
		return err
	}
	*v = p
	return nil
}
