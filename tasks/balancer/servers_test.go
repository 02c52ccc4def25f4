package balancer

import (
	"testing"
	"time"
)

// Answers of HAProxy 2.6, shortened to the columns that matter and one more.
const (
	serversAnswer = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port srv_fqdn
4 g 1 h1 10.77.0.11 2 0 3000 -
4 g 2 h2 10.77.0.12 0 8 3000 -
4 g 3 h3 10.77.0.13 0 0 3000 h3.example.com
4 g 4 h4 10.77.0.14 0 1 3000 -
4 g 5 h5 10.77.0.15 2 0 3000 -
`
	statAnswer = `# pxname,svname,scur,status,lastchg,check_status,check_code,
g,h1,3,UP,60,L7OK,200,
g,h2,1,DOWN,5,L4CON,,
g,h3,0,DOWN,7,* L4CON,,
g,h4,0,MAINT,9,L7OK,200,
g,h5,0,no check,9,,,
`
)

func TestServersTellAnOperatorsDrainFromAFailedCheck(t *testing.T) {
	servers, err := parseServers(serversAnswer)
	if err != nil || len(servers) != 5 {
		t.Fatalf("%+v, %v", servers, err)
	}
	now := time.Unix(1000, 0)
	if err := addStats(servers, statAnswer, now); err != nil {
		t.Fatal(err)
	}
	want := []State{
		{Status: Up, Sessions: 3, Since: now.Add(-time.Minute), CheckedBy: "lb: UP, L7OK 200"},
		{Status: Drain, Drained: true, Sessions: 1, Since: now.Add(-5 * time.Second), CheckedBy: "lb: DOWN, L4CON"},
		{Status: Down, Since: now.Add(-7 * time.Second), CheckedBy: "lb: DOWN, L4CON"},
		{Status: Maint, Drained: true, Since: now.Add(-9 * time.Second), CheckedBy: "lb: MAINT, L7OK 200"},
		{Status: Up, Since: now.Add(-9 * time.Second), CheckedBy: "lb: no check"},
	}
	for i, s := range servers {
		got := s.state("lb")
		if got.Status != want[i].Status || got.Drained != want[i].Drained || got.Sessions != want[i].Sessions ||
			!got.Since.Equal(want[i].Since) || got.CheckedBy != want[i].CheckedBy {
			t.Errorf("%s: got %+v, want %+v", s.name, got, want[i])
		}
	}
}

func TestUnexpectedAnswersAreErrors(t *testing.T) {
	for _, answer := range []string{"", "Unknown command.\n", "2\n# a b\n"} {
		if _, err := parseServers(answer); err == nil {
			t.Errorf("%q was taken", answer)
		}
	}
}

func TestCheckSocket(t *testing.T) {
	for s, ok := range map[string]bool{"/run/haproxy/admin.sock": true, "10.0.0.1:9999": true, "/a b": false, "/a,fork": false, "admin.sock": false} {
		if (checkSocket(s) == nil) != ok {
			t.Errorf("%q: ok should be %v", s, ok)
		}
	}
}
