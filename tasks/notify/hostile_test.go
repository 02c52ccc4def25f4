package notify

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// What a host says ends in a channel, in somebody's log, on another terminal.
func TestWhatIsToldOfHostsIsHarmless(t *testing.T) {
	evil := "\x1b]52;c;b3duZWQ=\x07\u009b31m\u202egnp\u2028" + strings.Repeat("x", 100_000)
	m := message(Failure)
	m.Error, m.Version = "g2: "+evil, evil
	m.Hosts[1].Detail, m.Hosts[1].Runs, m.Hosts[0].Outcome = evil, evil, evil
	for _, kind := range []string{"webhook", "slack"} {
		in := newInbox(t)
		in.code, in.body = 500, evil
		teller := &Teller{Receivers: []inventory.Notification{receiver(kind, in.URL)}}
		warned := warnings(teller)
		teller.End(t.Context(), m)
		if len(in.got) != 1 {
			t.Fatalf("%s: %d messages", kind, len(in.got))
		}
		if text := in.got[0]; remote.Clean(text) != text || strings.Contains(text, `\u001b`) || strings.Contains(text, `\u0007`) || strings.Contains(text, `\u2028`) || len(text) > 40_000 {
			t.Errorf("%s: %d bytes: %.300q", kind, len(text), text)
		}
		for _, w := range *warned {
			if remote.Clean(w) != w {
				t.Errorf("%s: the warning is %q", kind, w)
			}
		}
	}
	if m.Hosts[1].Detail != evil {
		t.Error("the caller's message was changed")
	}
}
