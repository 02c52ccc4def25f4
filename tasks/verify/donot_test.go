package verify

import "testing"

func TestASentenceAboutSeveralHostsIsOne(t *testing.T) {
	for want, hosts := range map[string][]string{
		"h1 does not": {"h1"}, "h1 and h2 do not": {"h1", "h2"}, "h1, h2 and h3 do not": {"h1", "h2", "h3"},
	} {
		if got := doNot(hosts); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
