package tasks

import (
	"strings"
	"testing"
)

func FuzzFacts(f *testing.F) {
	for _, seed := range []string{
		"arch\tx86_64\nclock\t1\nend\n", "file\tabc\tgrafana.ini\nend\t\n", "show\tMainPID=-1\nshow\t\nend", "disk\t9223372036854775807\nend\n",
		"freeze\t{\"since\":1}\nend\n", "uptime\t1e300\nend\n", "good\t\n" + strings.Repeat("release\tx\n", 100) + "end\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := parseFacts(text, "/opt/grafana")
		if err == nil && facts == nil {
			t.Error("neither facts nor an error")
		}
	})
}

func FuzzTextsOfAHost(f *testing.F) {
	for _, seed := range []string{"3\tgrafana.ini\nabc", "-1\tx\n", "19000000000\tx\nabc", "3\t../x\nabc0\ty\n", "1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		texts, err := splitTexts("h1", b)
		size := 0
		for _, text := range texts {
			size += len(text)
		}
		if err == nil && size > len(b) {
			t.Errorf("%d bytes of %d", size, len(b))
		}
	})
}

func FuzzLogLine(f *testing.F) {
	for _, seed := range []string{
		"2026-11-24T12:00:00.000001+0000 h1 grafana[1]: level=error msg=x", "-- No entries --", "2026-11-24T12:00:00Z x", " : ", "\xff\x1b[2J",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if l, ok := parseLogLine("h1", line); ok && (l.Host != "h1" || len(l.Text) > len(line)) {
			t.Errorf("got %+v", l)
		}
	})
}

func FuzzGenerationOfARollback(f *testing.F) {
	f.Add("bbbb", "aaaa", "10.3.1-0123456789ab", "10.2.0-0123456789ab", 1)
	f.Add("10.2.0", "../../etc", "../x", "-", -1)
	f.Add("", "", "", "10.3.1", 99)
	f.Fuzz(func(t *testing.T, to, one, release, other string, steps int) {
		facts := &Facts{Current: "cccc", Generations: map[string]string{one: release, one + "1": other, "cccc": release}, Good: []string{one, to, "cccc"}}
		id := findGeneration(facts, to, steps)
		if _, there := facts.Generations[id]; id != "" && (!there || id == facts.Current) {
			t.Errorf("%q is none of the generations to go back to", id)
		}
		_ = previousGood(facts)
		_ = versionOf(release)
	})
}
