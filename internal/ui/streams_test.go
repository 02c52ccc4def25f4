package ui

import "testing"

func TestColorFollowsTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		tty  bool
		want bool
	}{
		{"terminal", nil, true, true},
		{"pipe", nil, false, false},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, true, false},
		{"dumb terminal", map[string]string{"TERM": "dumb"}, true, false},
		{"forced in a pipe", map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		{"not forced", map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		{"NO_COLOR wins", map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, false},
	} {
		if got := wantsColor(c.tty, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
