package listener

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const v6any, v6one = "00000000000000000000000000000000", "00000000000000000000000001000000"

func TestWhoseASocketIs(t *testing.T) {
	for name, tt := range map[string]struct {
		said, to string
		foreign  []string
		own      bool
	}{
		"own":                               {"own 0A 0100007F:0BB8 7\n", "127.0.0.1", nil, true},
		"own elsewhere":                     {"own 0A 0200007F:0BB8 7\n", "127.0.0.1", nil, false},
		"another at all":                    {"own 0A 0100007F:0BB8 7\nother 0A 00000000:0BB8 8\n", "127.0.0.1", []string{"8"}, true},
		"IPv6 at all takes IPv4":            {"other 0A " + v6any + ":0BB8 8\n", "127.0.0.1", []string{"8"}, false},
		"IPv4 at all takes no IPv6":         {"own 0A " + v6any + ":0BB8 7\nother 0A 00000000:0BB8 8\n", "::1", nil, true},
		"mapped":                            {"other 0A 0000000000000000FFFF00000100007F:0BB8 8\n", "127.0.0.1", []string{"8"}, false},
		"a connection that was taken":       {"own 0A 00000000:0BB8 7\nother 01 0100007F:0BB8 8\n", "127.0.0.1", []string{"8"}, true},
		"one that is half closed":           {"own 0A 00000000:0BB8 7\nother 05 0100007F:0BB8 8\n", "127.0.0.1", []string{"8"}, true},
		"a connection elsewhere":            {"own 0A 00000000:0BB8 7\nother 01 0B00000A:0BB8 8\n", "127.0.0.1", nil, true},
		"::1":                               {"other 0A " + v6one + ":0BB8 8\n", "::1", []string{"8"}, false},
		"a name":                            {"own 0A 0100007F:0BB8 7\nother 0A 0B00000A:0BB8 8\n", "", []string{"8"}, true},
		"one socket, listed more than once": {"other 0A 0100007F:0BB8 8\nother 0A 0100007F:0BB8 8\n", "127.0.0.1", []string{"8"}, false},
	} {
		s, err := readSockets(tt.said + "main 7\nend\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		to, _ := netip.ParseAddr(tt.to)
		if foreign, own := s.at(to); !slices.Equal(foreign, tt.foreign) || own != tt.own {
			t.Errorf("%s: foreign %v, own %v", name, foreign, own)
		}
	}
}

func TestHalfAnAnswerIsNoAnswer(t *testing.T) {
	for _, said := range []string{
		"", "end\n", "main 7\n", "main 7\nend\nmore\n", "main\nend\n", "main -1\nend\n", "main 7\nmain 8\nend\n", "main 7\n\nend\n",
		"own 0A 0100007F:0BB8\nmain 7\nend\n", "own 0A 01007F:0BB8 7\nmain 7\nend\n", "own 0A :0BB8 7\nmain 7\nend\n",
		"own 0A zz00007F:0BB8 7\nmain 7\nend\n", "own 0A 0100007F:0BB8 x\nmain 7\nend\n", "mine 0A 0100007F:0BB8 7\nmain 7\nend\n",
	} {
		if s, err := readSockets(said); err == nil {
			t.Errorf("%q is taken for %+v", said, s)
		}
	}
}

func TestAForeignProcessIsToldCleanlyAndInShort(t *testing.T) {
	all := readProcesses("12 mallory \x1b]52;c;x\x07 \u202eevil\n-s x y\n13\n14 nobody\n15 a " + strings.Repeat("x", 9000) + "\n16 a b\n")
	e := &ForeignError{Host: "h1", Address: "127.0.0.1:3000", Service: "grafana-server", Down: true, By: all}
	want := "h1: Grafana does not run on h1, and process 12 (user mallory, command ·]52;c;x· ·evil), process 14 (user nobody, command unknown), " +
		"process 15 (user a, command " + strings.Repeat("x", 32) + "...) answers at 127.0.0.1:3000, which is not of grafana-server.service; " +
		"no login was sent; next: ssh h1 sudo ps -fp 12,14,15"
	if e.Error() != want {
		t.Errorf("got  %q\nwant %q", e.Error(), want)
	}
	e = &ForeignError{Host: "h1", Address: "127.0.0.1:3000", Service: "grafana-server"}
	if !strings.Contains(e.Error(), "next: ssh h1 sudo ss -tnlp") {
		t.Error(e)
	}
}
