package grafana

import "testing"

// However an address is written, probes, balancers and grafana.ini mean the same one.
func TestListenHasOneSpelling(t *testing.T) {
	for _, tt := range []struct{ addr, local, at string }{
		{"", "127.0.0.1:3000", "10.0.0.1:3000"},
		{"0.0.0.0", "127.0.0.1:3000", "10.0.0.1:3000"},
		{"::", "127.0.0.1:3000", "10.0.0.1:3000"},
		{"[::]", "127.0.0.1:3000", "10.0.0.1:3000"},
		{"10.0.0.9", "10.0.0.9:3000", "10.0.0.9:3000"},
		{"fd81::11", "[fd81::11]:3000", "[fd81::11]:3000"},
		{"[fd81::11]", "[fd81::11]:3000", "[fd81::11]:3000"},
		{"FD81:0:0:0:0:0:0:11", "[fd81::11]:3000", "[fd81::11]:3000"},
		{"grafana.local", "grafana.local:3000", "grafana.local:3000"},
	} {
		l, err := ParseListen("", tt.addr, "")
		if err != nil || l.Local() != tt.local || l.At("10.0.0.1") != tt.at {
			t.Errorf("%q: %v, local %s, others %s", tt.addr, err, l.Local(), l.At("10.0.0.1"))
		}
	}
	if l, _ := ParseListen("h2", "", "443"); l.LocalURL() != "https://127.0.0.1:443" || l.At("[fd81::1]") != "[fd81::1]:443" {
		t.Error(l.LocalURL(), l.At("[fd81::1]"))
	}
}

// What would keep Grafana from listening is an error.
func TestListenRefuses(t *testing.T) {
	for _, bad := range [][3]string{
		{"socket", "", ""}, {"", "10.0.0", ""}, {"", "[fd81::11", ""}, {"", "[name]", ""}, {"", "a b", ""}, {"", "fd81:::1", ""},
		{"", "", "3000 "}, {"", "", "0"}, {"", "", "03000"}, {"", "", "65536"}, {"", "", "-1"}, {"", "", "http"},
	} {
		if l, err := ParseListen(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v is taken: %+v", bad, l)
		}
	}
}

// Up to 11.0 IPv6 addresses stand in brackets, from 11.1 on they must not.
func TestAddressIsSpelledAsTheVersionTakesIt(t *testing.T) {
	for v, want := range map[string]string{"6.7.6": "[fd81::11]", "10.3.1": "[fd81::11]", "11.1.0": "fd81::11", "12.4.0": "fd81::11"} {
		ver, err := ParseVersion(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := spellAddr(ver, "fd81::11"); got != want {
			t.Errorf("%s: %s", v, got)
		}
		if got := spellAddr(ver, "10.0.0.1"); got != "10.0.0.1" {
			t.Errorf("%s: %s", v, got)
		}
	}
}
