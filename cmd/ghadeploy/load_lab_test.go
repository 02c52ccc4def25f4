package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// answer is one request through the balancer.
type answer struct {
	start, end time.Time
	err        error
}

// load are requests of a signed-in user, each on a connection of its own, at a fixed
// rate whatever the answers.
type load struct {
	mu      sync.Mutex
	answers []answer
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// login gives the session cookies of the admin, from the balancer.
func (c *labCluster) login(t *testing.T) []*http.Cookie {
	t.Helper()
	body, err := json.Marshal(map[string]string{"user": "admin", "password": c.inv.AdminPassword})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+c.Host("svc")+"/login", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("login: HTTP %d", resp.StatusCode)
	}
	return resp.Cookies()
}

// load sends a request to path every so often until end.
func (c *labCluster) load(t *testing.T, cookies []*http.Cookie, path string, every time.Duration) *load {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &load{stop: cancel}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 15 * time.Second}
	l.wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.wg.Go(func() { l.ask(client, "http://"+c.Host("svc")+path, cookies) })
			}
		}
	})
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) ask(client *http.Client, url string, cookies []*http.Cookie) {
	a := answer{start: time.Now()}
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err == nil {
		for _, k := range cookies {
			req.AddCookie(k)
		}
		var resp *http.Response
		if resp, err = client.Do(req); err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("HTTP %d", resp.StatusCode)
			}
		}
	}
	a.end, a.err = time.Now(), err
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
}

// end stops sending, waits for what is in flight, and gives all answers by their end.
func (l *load) end() []answer {
	l.stop()
	l.wg.Wait()
	slices.SortFunc(l.answers, func(a, b answer) int { return a.end.Compare(b.end) })
	return l.answers
}

// sums says how a stretch of answers was: failures, the 99th percentile, and the
// longest time without a success.
func sums(answers []answer, from, to time.Time) (n int, failed []string, p99, gap time.Duration) {
	var took []time.Duration
	last := from
	for _, a := range answers {
		if a.end.Before(from) || a.end.After(to) {
			continue
		}
		n++
		if a.err != nil {
			failed = append(failed, a.start.Sub(from).Round(time.Millisecond).String()+": "+a.err.Error())
			continue
		}
		took = append(took, a.end.Sub(a.start))
		gap, last = max(gap, a.end.Sub(last)), a.end
	}
	slices.Sort(took)
	if len(took) > 0 {
		p99 = took[len(took)*99/100]
	}
	return n, failed, p99, gap
}

// slowPage is a page that takes 5 s: the stand-in has one, a real release relays to a
// data source of that kind.
func (c *labCluster) slowPage(t *testing.T) string {
	t.Helper()
	if os.Getenv(labtest.RealEnv) == "" {
		return "/api/standin/sleep?ms=5000"
	}
	gateway := strings.TrimSpace(c.Sh(t, "svc", "ip -4 route show default | cut -d' ' -f3"))
	l, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
		}
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	c.post(t, "/api/datasources", map[string]any{"uid": "slow", "name": "slow", "type": "prometheus", "access": "proxy", "url": "http://" + l.Addr().String()})
	return "/api/datasources/proxy/uid/slow/"
}

// quietTime is how long the load is measured before anything is rolled.
const quietTime = 5 * time.Second

// rolls runs a command under load, some of it on the slow page, and wants no request to fail.
func (c *labCluster) rolls(t *testing.T, slowPage string, args ...string) *toolRun {
	t.Helper()
	cookies := c.login(t)
	l := c.load(t, cookies, "/api/user", 5*time.Millisecond)
	slow := c.load(t, cookies, slowPage, time.Second)
	quiet := time.Now()
	time.Sleep(quietTime) // the measure is what passes in this time
	begun := time.Now()
	r := c.begin(t, args...)
	code := r.wait()
	over := time.Now()
	answers, long := l.end(), slow.end()
	if code != 0 {
		t.Fatalf("ghadeploy %v: exit %d\n%s", args, code, r.story())
	}
	nq, failedQ, p99q, gapQ := sums(answers, quiet, begun)
	n, failed, p99, gap := sums(answers, begun, over)
	t.Logf("%s: quiet %d requests, p99 %s, gap %s; rolling %s: %d requests, %d failed, p99 %s, longest gap %s; %d requests of 5 s",
		strings.Join(args, " "), nq, p99q.Round(time.Microsecond*100), gapQ.Round(time.Millisecond),
		over.Sub(begun).Round(100*time.Millisecond), n, len(failed), p99.Round(time.Microsecond*100), gap.Round(time.Millisecond), len(long))
	if len(failed)+len(failedQ) > 0 {
		t.Errorf("%d requests failed: %v", len(failed)+len(failedQ), slices.Concat(failedQ, failed))
	}
	if n == 0 {
		t.Error("no request was answered during the roll")
	}
	for _, a := range long {
		if a.err != nil {
			t.Errorf("a request of 5 s that began at %s failed after %s: %v", a.start.Sub(begun), a.end.Sub(a.start), a.err)
		}
	}
	return r
}

// No request fails while a restart, a change and an upgrade roll through the hosts.
func TestARollLosesNoRequest(t *testing.T) {
	lab := labtest.Need(t)
	settle := "0s"
	if os.Getenv(labtest.AllEnv) != "" {
		settle = "auto"
	}
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy",
		Source:   labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1040: nil})),
		Edit:     rollout(map[string]any{"settle": settle, "drain": "12s"}),
	})
	slow := c.slowPage(t)
	t.Run("restart", func(t *testing.T) { labtest.Slow(t); c.rolls(t, slow, "restart", "--yes") })
	t.Run("change", func(t *testing.T) { c.theme(t, "/load"); c.rolls(t, slow, "apply", "--yes") })
	t.Run("WebSockets", func(t *testing.T) {
		c.inv.Edit(t, rollout(map[string]any{"settle": "0s", "drain": "1s"}))
		c.socketsRoll(t)
	})
	t.Run("upgrade", func(t *testing.T) {
		labtest.Slow(t)
		c.inv.Edit(t, rollout(map[string]any{"settle": settle, "drain": "12s"}))
		c.rolls(t, slow, "upgrade", "--to", labtest.V1040, "--no-backup", "--yes")
	})
}

// socketsRoll restarts all hosts while browsers have Live open.
func (c *labCluster) socketsRoll(t *testing.T) {
	header := http.Header{}
	for _, k := range c.login(t) {
		header.Add("Cookie", k.Name+"="+k.Value)
	}
	const clients = 9
	var mu sync.Mutex
	lost := make([][]time.Time, clients)
	var up sync.WaitGroup
	up.Add(clients)
	for i := range clients {
		var once sync.Once
		ws := centrifuge.NewJsonClient("ws://"+c.Host("svc")+"/api/live/ws", centrifuge.Config{Header: header})
		ws.OnConnected(func(centrifuge.ConnectedEvent) { once.Do(up.Done) })
		ws.OnConnecting(func(e centrifuge.ConnectingEvent) {
			if e.Code != 0 { // 0: the first time
				mu.Lock()
				defer mu.Unlock()
				lost[i] = append(lost[i], time.Now())
			}
		})
		if err := ws.Connect(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ws.Close)
	}
	up.Wait()
	r := c.must(t, "restart", "--yes")
	var turns []time.Time
	for _, e := range r.events {
		if e.Kind == event.TurnStarted {
			turns = append(turns, e.Time)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	total := 0
	for i, times := range lost {
		total += len(times)
		for n, from := range turns {
			to := time.Now()
			if n+1 < len(turns) {
				to = turns[n+1]
			}
			in := 0
			for _, at := range times {
				if at.After(from) && at.Before(to) {
					in++
				}
			}
			if in > 1 {
				t.Errorf("client %d lost its WebSocket %d times in turn %d", i, in, n+1)
			}
		}
	}
	t.Logf("%d clients reconnected %d times over %d turns", clients, total, len(turns))
	if total == 0 {
		t.Error("no client was ever on a host that was restarted")
	}
}
