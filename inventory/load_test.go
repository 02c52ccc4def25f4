package inventory

import "testing"

func TestLoadDesignExample(t *testing.T) {
	c, err := Load(t.Context(), "testdata/valid/design.yaml", Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := hostNames(c.Hosts); len(got) != 3 || got[2] != "g3.example.com" {
		t.Errorf("hosts = %v", got)
	}
	if v, _ := c.Hosts[1].Config.Get("server", "http_port"); v.Reveal() != "3001" {
		t.Errorf("the group's http_port is %q on g2", v)
	}
}
