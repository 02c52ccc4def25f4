package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/remote"
)

// A saved plan comes from a pipeline's artifacts, and from whoever can write there: it is
// shown and compared, and never carried out unless the hosts say the same.
func FuzzSavedPlan(f *testing.F) {
	for _, s := range []string{
		`{"schema":1,"hash":"cafe","cluster":"prod","command":"apply","hosts":[{"host":"h1","restart":true,"actions":[{"kind":"turn","host":"h1","summary":"restart"}]}],"policy":{"kind":"rolling","max_unavailable":1,"batches":[["h1"]]}}`,
		`{"schema":1,"hash":"x","hosts":[{}]}`, `{"schema":1,"hash":"\u001b]0;x\u0007","hosts":[{"host":"\u202e","actions":[{"diffs":[{"path":"\u009b","unified":"-a\n+b"}]}]}],"policy":{"batches":[[],null]}}`,
		`[]`, `null`, `{"schema":1e99}`, "", `{"schema":1,"hash":"x","hosts":[{"actions":null,"reasons":[""]}],"warnings":["\n\r"],"estimate":-1}`,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "plan.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := readPlan(file)
		if err != nil {
			return
		}
		var out bytes.Buffer
		shown := ui.Streams{Out: &out, Err: &out, Size: func() (int, int) { return 100, 0 }}.Cleaned()
		view := ui.PlanText{Width: 100, Verbose: true}
		if err := view.Write(shown.Err, p); err != nil {
			t.Error(err)
		}
		if text := out.String(); remote.Clean(text) != text {
			t.Errorf("it shows %q", text)
		}
		_ = ui.ConfirmQuestion(p)
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
	})
}
