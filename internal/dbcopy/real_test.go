package dbcopy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// server is a real Grafana on the loopback address.
type server struct {
	url  string
	stop func()
}

// serve starts the Grafana unpacked in home on a database and waits until it answers.
func serve(t *testing.T, home string, database ...string) server {
	t.Helper()
	dir, port := t.TempDir(), labtest.FreePort()
	program := filepath.Join(home, "bin", "grafana-server")
	c := exec.Command(program, "--homepath", home, "web")
	c.Dir = home
	c.Env = append(append(os.Environ(), database...),
		"GF_SERVER_HTTP_ADDR=127.0.0.1", fmt.Sprintf("GF_SERVER_HTTP_PORT=%d", port), fmt.Sprintf("GF_GRPC_SERVER_ADDRESS=127.0.0.1:%d", labtest.FreePort()),
		"GF_PATHS_LOGS="+dir, "GF_PATHS_PLUGINS="+dir, "GF_PATHS_PROVISIONING="+dir, "GF_SECURITY_SECRET_KEY=a-key-of-this-test", "GF_SECURITY_ADMIN_PASSWORD=administrator",
		"GF_ANALYTICS_REPORTING_ENABLED=false", "GF_ANALYTICS_CHECK_FOR_UPDATES=false", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false", "GF_PLUGINS_PREINSTALL_DISABLED=true",
		"GF_UNIFIED_ALERTING_ENABLED=true", "GF_ALERTING_ENABLED=false")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	s := server{url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	s.stop = func() { _ = c.Process.Signal(syscall.SIGTERM); <-ended }
	t.Cleanup(s.stop)
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if res, err := http.Get(s.url + "/api/health"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
		select {
		case <-ended:
			t.Fatalf("Grafana ended: %s", log.Bytes()[max(0, log.Len()-1000):])
		default:
		}
	}
	t.Fatal("Grafana does not answer within 3 minutes")
	return s
}

// ask sends a request as the administrator, or with a token or a client's cookies.
func (s server) ask(t *testing.T, client *http.Client, token, method, path, body string) (int, any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	switch {
	case token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case client == http.DefaultClient:
		req.SetBasicAuth("admin", "administrator")
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	var v any
	_ = json.Unmarshal(text, &v)
	return res.StatusCode, v
}

// fill makes a little of everything and returns an API key and cookies of a login.
func (s server) fill(t *testing.T) (key string, browser *http.Client) {
	t.Helper()
	post := func(path, body string) any {
		code, v := s.ask(t, http.DefaultClient, "", "POST", path, body)
		if code/100 != 2 {
			t.Fatalf("POST %s: %d %v", path, code, v)
		}
		return v
	}
	post("/api/folders", `{"uid":"folder","title":"Ordner ä😀"}`)
	for i := range 20 {
		post("/api/dashboards/db", fmt.Sprintf(`{"folderUid":"folder","dashboard":{"uid":"d%d","title":"Dash %d ü 'q' \\\\ 😀","tags":["a","b%d"]}}`, i, i, i))
		post("/api/annotations", fmt.Sprintf(`{"text":"note %d","tags":["t"],"time":%d}`, i, 1700000000000+i))
	}
	for i := range 5 {
		post("/api/admin/users", fmt.Sprintf(`{"name":"U %d","login":"user%d","email":"u%d@example.com","password":"password%d"}`, i, i, i, i))
		post("/api/datasources", fmt.Sprintf(`{"uid":"ds%d","name":"P %d","type":"prometheus","url":"http://127.0.0.1:9","access":"proxy","secureJsonData":{"httpHeaderValue1":"secret"}}`, i, i))
	}
	post("/api/teams", `{"name":"Team"}`)
	post("/api/playlists", `{"name":"list","interval":"5m","items":[{"type":"dashboard_by_uid","value":"d1"}]}`)
	post("/api/library-elements", `{"name":"panel","kind":1,"folderUid":"folder","model":{"type":"text","title":"panel"}}`)
	post("/api/v1/provisioning/contact-points", `{"name":"hook","type":"webhook","settings":{"url":"http://127.0.0.1:9/x"}}`)
	post("/api/v1/provisioning/alert-rules", `{"uid":"rule","title":"r","ruleGroup":"g","folderUID":"folder","orgID":1,"condition":"A","noDataState":"OK","execErrState":"OK","for":"5m",`+
		`"data":[{"refId":"A","datasourceUid":"__expr__","relativeTimeRange":{"from":600,"to":0},"model":{"refId":"A","type":"math","expression":"1 > 2"}}]}`)
	if code, v := s.ask(t, http.DefaultClient, "", "POST", "/api/auth/keys", `{"name":"key","role":"Admin"}`); code == http.StatusOK {
		key = v.(map[string]any)["key"].(string)
	} else { // from 12 on
		id := post("/api/serviceaccounts", `{"name":"account","role":"Admin"}`).(map[string]any)["id"]
		key = post(fmt.Sprintf("/api/serviceaccounts/%v/tokens", id), `{"name":"token"}`).(map[string]any)["key"].(string)
	}
	jar, _ := cookiejar.New(nil)
	browser = &http.Client{Jar: jar}
	if code, v := s.ask(t, browser, "", "POST", "/login", `{"user":"user3","password":"password3"}`); code != http.StatusOK {
		t.Fatalf("login: %d %v", code, v)
	}
	return key, browser
}

// content is what the API says, without order and without when somebody was last seen.
func (s server) content(t *testing.T, key string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, path := range []string{
		"/api/search?limit=1000", "/api/folders", "/api/dashboards/uid/d7", "/api/datasources", "/api/org/users", "/api/playlists", "/api/library-elements",
		"/api/annotations?limit=100", "/api/v1/provisioning/alert-rules", "/api/v1/provisioning/contact-points", "/api/teams/search",
	} {
		code, v := s.ask(t, http.DefaultClient, key, "GET", path, "")
		if code != http.StatusOK {
			t.Fatalf("GET %s: %d %v", path, code, v)
		}
		text, _ := json.Marshal(sorted(v))
		out[path] = string(text)
	}
	return out
}

func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if v[k] = sorted(x); strings.HasPrefix(k, "lastSeen") {
				delete(v, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return bytes.Compare(x, y)
		})
	}
	return v
}

// Every real release moves from sqlite into both servers, and goes on there as it was.
func TestRealGrafanasGoOnInAnotherDatabase(t *testing.T) {
	archives, err := labtest.Archives()
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) == 0 {
		t.Skipf("set %s to a folder of real releases", labtest.RealEnv)
	}
	for _, a := range archives {
		if labtest.CompareVersions(a.Version, "8.0.0") < 0 {
			continue // before there are rules and contact points to fill in this way
		}
		t.Run(a.Version, func(t *testing.T) {
			home := t.TempDir()
			if out, err := exec.Command("tar", "xzf", a.Path, "-C", home, "--strip-components=1").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data := t.TempDir()
			old := serve(t, home, "GF_DATABASE_TYPE=sqlite3", "GF_PATHS_DATA="+data)
			key, browser := old.fill(t)
			before := old.content(t, key)
			jar := browser.Jar.Cookies(mustURL(t, old.url))
			old.stop()
			forKinds(t, func(t *testing.T, kind string) { moved(t, kind, home, data, key, before, jar) })
		})
	}
}

func moved(t *testing.T, kind, home, data, key string, before map[string]string, cookies []*http.Cookie) {
	db := empty(t, kind)
	var name string
	if err := db.QueryRow(map[string]string{"postgres": "SELECT current_database()", "mysql": "SELECT database()"}[kind]).Scan(&name); err != nil {
		t.Fatal(err)
	}
	on := []string{
		"GF_DATABASE_TYPE=" + kind, fmt.Sprintf("GF_DATABASE_HOST=127.0.0.1:%d", loopback.s.Port[kind]), "GF_DATABASE_NAME=" + name, "GF_DATABASE_USER=tester",
		"GF_DATABASE_PASSWORD=tester", "GF_DATABASE_SSL_MODE=" + map[string]string{"postgres": "disable", "mysql": "false"}[kind], "GF_PATHS_DATA=" + t.TempDir(),
	}
	serve(t, home, on...).stop() // makes the schema
	src, dst := openFile(t, filepath.Join(data, "grafana.db")), target(t, kind, db, false)
	p := look(t, src, dst, Options{})
	rep, err := Copy(t.Context(), src, dst, p, Options{})
	if err != nil || !rep.Committed || !rep.Equal {
		t.Fatalf("%v\n%s", err, obstacles(p))
	}
	t.Logf("%d rows of %d tables; changed: %v; left out: %v", rep.Rows, len(rep.Tables), rep.Notes, rep.LeftOut)
	_ = dst.Close()
	s := serve(t, home, on...)
	for path, was := range before {
		if is := s.content(t, key)[path]; is != was {
			t.Errorf("%s:\nwas %s\nis  %s", path, was, is)
		}
	}
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(mustURL(t, s.url), cookies)
	if code, v := s.ask(t, &http.Client{Jar: jar}, "", "GET", "/api/user", ""); code != http.StatusOK || v.(map[string]any)["login"] != "user3" {
		t.Errorf("the browser's session: %d %v", code, v)
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
