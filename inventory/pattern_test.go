package inventory

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func patternCluster() *Cluster {
	c := &Cluster{}
	for i, name := range []string{"web1", "web2", "web3", "db1", "db2", "g01", "g02", "g03"} {
		c.Hosts = append(c.Hosts, &Host{Name: name, Address: fmt.Sprintf("10.0.0.%d", i+1), Labels: map[string]string{"rack": string(rune('a' + i%2))}})
	}
	c.Groups = []*Group{{Name: "web", Hosts: []string{"web1", "web2", "web3"}}, {Name: "db", Hosts: []string{"db1", "db2"}}, {Name: "east", Hosts: []string{"web2", "db1"}}}
	return c
}

func TestSelect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "retry")
	write(t, file, "web1\n# comment\ndb2  # and one more\nweb2:db1\n")
	for pattern, want := range map[string]string{
		"all":           "web1 web2 web3 db1 db2 g01 g02 g03",
		"*":             "web1 web2 web3 db1 db2 g01 g02 g03",
		"web1":          "web1",
		"10.0.0.2":      "web2",
		"db2,web1":      "web1 db2",
		"web:db":        "web1 web2 web3 db1 db2",
		"web:&east":     "web2",
		"web:!east":     "web1 web3",
		"!east:web":     "web1 web3",
		"!web":          "db1 db2 g01 g02 g03",
		"&east":         "web2 db1",
		"web,db,!web2":  "web1 web3 db1 db2",
		"web*":          "web1 web2 web3",
		"*1":            "web1 db1 g01",
		"we?:!web[0]":   "web2 web3",
		"~(web|db)1":    "web1 db1",
		"~web[12]$":     "web1 web2",
		"~eas":          "web2 db1",
		"web[0]":        "web1",
		"web[-1]":       "web3",
		"web[0:1]":      "web1 web2",
		"web[1:]":       "web2 web3",
		"web[1:99]":     "web2 web3",
		"all[-2:-1]":    "g02 g03",
		"g[01:02]":      "g01 g02",
		"g[01:03]:!g02": "g01 g03",
		"rack=b":        "web2 db1 g01 g03",
		"rack=*:&web":   "web1 web2 web3",
		"web:!rack=a":   "web2",
		"@" + file:      "web1 web2 db1 db2",
		" web1 , db1 ":  "web1 db1",
	} {
		got, err := patternCluster().Select(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		} else if s := strings.Join(hostNames(got), " "); s != want {
			t.Errorf("%s = %s, want %s", pattern, s, want)
		}
	}
}

func TestSelectRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "loop")
	write(t, file, "@"+file+"\n")
	for pattern, want := range map[string]string{
		"":              "names no host",
		" , ":           "names no host",
		"wbe1":          `did you mean "web1"?`,
		"web1,nope":     "no host or group is called so",
		"web:!esat":     `did you mean "east"?`,
		"web:&db":       "no host is left",
		"web:!web":      "no host is left",
		"x*":            "no host or group",
		"~(":            "not a regular expression",
		"~nothing":      "no host or group matches",
		"web[3]":        "only 3 hosts",
		"web[-4]":       "only 3 hosts",
		"web[2:1]":      "only 3 hosts",
		"g[01:04]":      "no host or group",
		"rak=a":         `did you mean "rack"?`,
		"rack=c":        "no host has rack=c",
		"@/nonexistent": "no such file",
		"@" + file:      "cannot name another one",
	} {
		_, err := patternCluster().Select(pattern)
		var pe *PatternError
		if !errors.As(err, &pe) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", pattern, err, want)
		}
	}
}

func FuzzSelect(f *testing.F) {
	for _, s := range []string{"a:&b", "web[0:1]", "~x", "!", "[", "g[1:2]:!&x", "rack=[", "all[-1]"} {
		f.Add(s)
	}
	c := patternCluster()
	f.Fuzz(func(t *testing.T, pattern string) {
		if strings.Contains(pattern, "@") {
			t.Skip("reads files")
		}
		got, err := c.Select(pattern)
		if (err == nil) != (len(got) > 0) {
			t.Errorf("%d hosts and error %v", len(got), err)
		}
		for i, h := range got {
			if slices.Index(got, h) != i {
				t.Errorf("%s twice", h.Name)
			}
		}
	})
}

func ExampleCluster_Select() {
	c := &Cluster{
		Hosts:  []*Host{{Name: "g1"}, {Name: "g2"}, {Name: "g3"}},
		Groups: []*Group{{Name: "rack-a", Hosts: []string{"g1", "g2"}}},
	}
	hosts, err := c.Select("rack-a:!g1")
	fmt.Println(hosts[0].Name, len(hosts), err)
	_, err = c.Select("rack-b")
	fmt.Println(err)
	// Output:
	// g2 1 <nil>
	// pattern "rack-b": no host or group is called so (did you mean "rack-a"?)
}
