package verify

import "testing"

// Three hosts that refuse two channels for one reason are one sentence.
func TestARefusalOfLiveIsToldOnce(t *testing.T) {
	var all []refusal
	for _, h := range []string{"h1", "h2", "h3"} {
		for _, c := range []string{"stream/x", "grafana/broadcast/x", "stream/x"} {
			all = append(all, refusal{h, c, "100: internal server error"})
		}
	}
	if got, want := told(all), "h[1:3]: 100: internal server error (stream/x, grafana/broadcast/x)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	all = append(all, refusal{"h4", "stream/x", "101: unauthorized"})
	if got, want := told(all), "h[1:3]: 100: internal server error (stream/x, grafana/broadcast/x); h4: 101: unauthorized (stream/x)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
