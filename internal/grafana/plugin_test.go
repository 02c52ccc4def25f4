package grafana

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func zipped(t testing.TB, list ...entry) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range list {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		mode := fs.FileMode(0o644)
		if e.mode != 0 {
			mode = fs.FileMode(e.mode)
		}
		body := e.body
		if e.link != "" {
			mode, body = fs.ModeSymlink|0o777, e.link
		}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

const clockJSON = `{"id":"grafana-clock-panel","type":"panel","name":"Clock","info":{"version":"2.1.8"},"dependencies":{"grafanaDependency":">=10.4.0"}}`

func TestReadPlugin(t *testing.T) {
	r := zipped(t,
		entry{name: "grafana-clock-panel/plugin.json", body: clockJSON},
		entry{name: "grafana-clock-panel/MANIFEST.txt", body: "signed"},
		entry{name: "grafana-clock-panel/module.js", body: "x"},
	)
	p, err := ReadPlugin(t.Context(), r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "grafana-clock-panel" || p.Version != "2.1.8" || p.Type != "panel" || !p.Signed || p.Needs != ">=10.4.0" || p.Backend || len(p.SHA256) != 64 {
		t.Errorf("got %+v", p)
	}
	want := []string{"grafana-clock-panel/MANIFEST.txt", "grafana-clock-panel/module.js", "grafana-clock-panel/plugin.json"}
	if !slices.Equal(p.PluginFiles(), want) {
		t.Errorf("files: got %v", p.PluginFiles())
	}
	for _, c := range []struct {
		id, version, arch string
		ok                bool
	}{{"grafana-clock-panel", "2.1.8", "arm64", true}, {"", "", "", true}, {"other", "", "", false}, {"", "2.1.9", "", false}} {
		if err := p.Match(c.id, c.version, c.arch); (err == nil) != c.ok {
			t.Errorf("match %+v: got %v", c, err)
		}
	}
}

func TestReadPluginWithABackend(t *testing.T) {
	r := zipped(t,
		entry{name: "x-datasource/dist/plugin.json", body: `{"id":"x-datasource","type":"datasource","backend":true,"executable":"gpx_x","info":{"version":"1.0.0"}}`},
		entry{name: "x-datasource/dist/gpx_x_linux_amd64", body: elfHead(62), mode: 0o755},
		entry{name: "x-datasource/dist/gpx_x_darwin_arm64", body: "x", mode: 0o755},
	)
	p, err := ReadPlugin(t.Context(), r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	if p.Dir != "dist" || p.Signed || !slices.Equal(p.Archs, []string{"amd64"}) {
		t.Errorf("got %+v", p)
	}
	if p.Match("", "", "amd64") != nil || !errors.Is(p.Match("", "", "arm64"), ErrMismatch) {
		t.Error("the backend is for amd64 only")
	}
}

func TestReadPluginRefuses(t *testing.T) {
	good := entry{name: "p/plugin.json", body: clockJSON}
	for name, list := range map[string][]entry{
		"parent":         {good, {name: "p/../../x"}},
		"absolute":       {good, {name: "/x"}},
		"two folders":    {good, {name: "q/x"}},
		"link":           {good, {name: "p/l", link: "../../etc/passwd"}},
		"setuid":         {good, {name: "p/s", mode: int64(fs.ModeSetuid | 0o755)}},
		"twice":          {good, good},
		"device":         {good, {name: "p/d", mode: int64(fs.ModeDevice | 0o644)}},
		"no plugin.json": {{name: "p/x"}},
		"deep":           {{name: "p/q/plugin.json", body: clockJSON}},
		"source archive": {{name: "p/plugin.json", body: strings.Replace(clockJSON, "2.1.8", "%VERSION%", 1)}},
		"bad id":         {{name: "p/plugin.json", body: strings.Replace(clockJSON, "grafana-clock-panel", "../evil", 1)}},
		"bad json":       {{name: "p/plugin.json", body: "{"}},
	} {
		r := zipped(t, list...)
		if p, err := ReadPlugin(t.Context(), r, r.Size()); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}
