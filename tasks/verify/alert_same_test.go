package verify

import (
	"encoding/json"
	"strings"
	"testing"
)

func decoded[T any](t *testing.T, raw string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A new 12.4.0 has a contact point without any integration, and so answers with an
// empty list before and after.
func TestNoContactPointsAreNoContactPointsAgain(t *testing.T) {
	api := &provisioningAPI{
		policy: `{"receiver":"empty","group_by":["grafana_folder","alertname"]}`,
		points: []map[string]any{},
	}
	w := &provisioned{p: proofOn(t, api)}
	if err := w.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.install(t.Context(), ours+"n", "http://127.0.0.1:9/x"); err != nil {
		t.Fatal(err)
	}
	if err := w.restore(t.Context()); err != nil {
		t.Error(err)
	}
	api.points = append(api.points, map[string]any{"uid": "u1", "name": "somebody's", "type": "email"})
	if err := w.restore(t.Context()); err == nil || !strings.Contains(err.Error(), `"somebody's"`) {
		t.Errorf("a contact point that was not there is not named: %v", err)
	}
}

func TestContactPointsAreComparedByWhatTheyMean(t *testing.T) {
	const was = `[{"uid":"","name":"a","type":"email","settings":{"addresses":"x@y"},"disableResolveMessage":false},` +
		`{"uid":"u2","name":"b","type":"webhook","settings":{"url":"http://b","password":"[REDACTED]"}}]`
	for _, tc := range []struct{ name, is, different string }{
		{"as it was", was, ""},
		{"in another order, with a given uid and empty settings",
			`[{"uid":"u2","name":"b","type":"webhook","settings":{"url":"http://b","password":"[REDACTED]","title":""},"provenance":""},` +
				`{"uid":"new","name":"a","type":"email","settings":{"addresses":"x@y","singleEmail":false}}]`, ""},
		{"another address", strings.Replace(was, "x@y", "z@y", 1), `"a"`},
		{"another uid", strings.Replace(was, "u2", "u3", 1), `"b"`},
		{"managed by the API now", strings.Replace(was, `"uid":"u2"`, `"uid":"u2","provenance":"api"`, 1), `"b"`},
		{"a secret less", strings.Replace(was, `,"password":"[REDACTED]"`, "", 1), `"b"`},
		{"resolved messages off", strings.Replace(was, "false", "true", 1), `"a"`},
		{"one less", `[{"uid":"","name":"a","type":"email","settings":{"addresses":"x@y"}}]`, `"b"`},
		{"one twice", strings.Replace(was, "[{", `[{"uid":"u9","name":"a","type":"email","settings":{"addresses":"x@y"}},{`, 1), `"a"`},
	} {
		if got := differentPoint(decoded[[]any](t, was), decoded[[]any](t, tc.is)); got != tc.different {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.different)
		}
	}
}

func TestPoliciesAreComparedByWhatTheyMean(t *testing.T) {
	const was = `{"receiver":"a","group_by":["x","y"],"group_wait":"30s","repeat_interval":"1d","routes":[` +
		`{"receiver":"b","object_matchers":[["k","=","v"],["l","=","w"]],"group_interval":"5m"},{"receiver":"c"}]}`
	for _, tc := range []struct {
		name, is string
		same     bool
	}{
		{"as it was", was, true},
		{"written in another way", `{"receiver":"a","group_by":["y","x"],"group_wait":"30s","repeat_interval":"1d","provenance":"","routes":[` +
			`{"receiver":"b","object_matchers":[["l","=","w"],["k","=","v"]],"group_interval":"5m0s","continue":false,"mute_time_intervals":null},` +
			`{"receiver":"c","routes":[]}]}`, true},
		{"routes in another order", `{"receiver":"a","group_by":["x","y"],"group_wait":"30s","repeat_interval":"1d","routes":[{"receiver":"c"},` +
			`{"receiver":"b","object_matchers":[["k","=","v"],["l","=","w"]],"group_interval":"5m"}]}`, false},
		{"another wait", strings.Replace(was, "30s", "31s", 1), false},
		{"it continues", strings.Replace(was, `"receiver":"c"`, `"receiver":"c","continue":true`, 1), false},
		{"managed by files", strings.Replace(was, `{"receiver":"a"`, `{"provenance":"file","receiver":"a"`, 1), false},
		{"muted", strings.Replace(was, `"receiver":"c"`, `"receiver":"c","mute_time_intervals":["night"]`, 1), false},
	} {
		if got := samePolicies(decoded[map[string]any](t, was), decoded[map[string]any](t, tc.is)); got != tc.same {
			t.Errorf("%s: same is %t", tc.name, got)
		}
	}
}

func TestWholeConfigurationsAreComparedByWhatTheyMean(t *testing.T) {
	const was = `{"template_files":{},"alertmanager_config":{"route":{"receiver":"a"},"receivers":[` +
		`{"name":"a","grafana_managed_receiver_configs":[{"uid":"","name":"a","settings":{"addresses":"x@y"},"secureFields":{}}]},` +
		`{"name":"b","grafana_managed_receiver_configs":[{"uid":"u2","name":"b","secureFields":{"password":true}}]}],"templates":null}}`
	const is = `{"template_files":null,"alertmanager_config":{"route":{"receiver":"a"},"mute_time_intervals":null,"receivers":[` +
		`{"name":"b","grafana_managed_receiver_configs":[{"uid":"u2","name":"b","secureFields":{"password":true}}]},` +
		`{"name":"a","grafana_managed_receiver_configs":[{"uid":"new","name":"a","settings":{"addresses":"x@y"}}]}]}}`
	for _, tc := range []struct {
		name, is string
		same     bool
	}{
		{"written in another way", is, true},
		{"a template more", strings.Replace(is, `"template_files":null`, `"template_files":{"t":"{{ . }}"}`, 1), false},
		{"a mute timing more", strings.Replace(is, `"mute_time_intervals":null`, `"mute_time_intervals":[{"name":"night"}]`, 1), false},
		{"a secret less", strings.Replace(is, `"password":true`, `"password":false`, 1), false},
	} {
		if got := sameConfig(decoded[amConfig](t, was), decoded[amConfig](t, tc.is)); got != tc.same {
			t.Errorf("%s: same is %t", tc.name, got)
		}
	}
}
