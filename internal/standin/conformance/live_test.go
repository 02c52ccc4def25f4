package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a WebSocket to Live, in the protocol of the version.
type socket struct {
	*websocket.Conn
	older bool
	next  int
	queue []string
}

// socket opens one and connects.
func (n *node) socket(t *testing.T) *socket {
	t.Helper()
	s := n.opened(t)
	if answer := s.command(t, "connect", `{}`); strings.Contains(answer, `"error"`) {
		t.Fatalf("connecting answers %s", answer)
	}
	return s
}

func (n *node) opened(t *testing.T) *socket {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "adminpw")
	conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+n.url("/api/live/ws")[4:], req.Header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); _ = res.Body.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &socket{Conn: conn, older: !n.rel.atLeast(9, 2)}
}

// command sends one and returns its answer.
func (s *socket) command(t *testing.T, method, params string) string {
	t.Helper()
	s.next++
	text := fmt.Sprintf(`{"id":%d,"%s":%s}`, s.next, method, params)
	if s.older {
		number := map[string]int{"connect": 0, "subscribe": 1, "publish": 3}[method]
		text = fmt.Sprintf(`{"id":%d,"method":%d,"params":%s}`, s.next, number, params)
	}
	return s.ask(t, text)
}

func (s *socket) ask(t *testing.T, text string) string {
	t.Helper()
	if err := s.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return s.until(t, "an answer to "+text, fmt.Sprintf(`"id":%d`, s.next))
}

// until reads until a message has the words.
func (s *socket) until(t *testing.T, what, words string) string {
	t.Helper()
	for {
		for len(s.queue) > 0 {
			line := s.queue[0]
			s.queue = s.queue[1:]
			if strings.Contains(line, words) {
				return line
			}
		}
		_, text, err := s.ReadMessage()
		if err != nil {
			t.Fatalf("no %s: %v", what, err)
		}
		s.queue = strings.Split(string(text), "\n")
	}
}

// A newer client that meets the older protocol gets an answer, and nothing in it.
func (s *suite) newerClient(t *testing.T) {
	ws := s.nodes[0].opened(t)
	ws.next++
	answer := ws.ask(t, `{"id":1,"connect":{}}`)
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got["error"] != nil || got["connect"] != nil {
		t.Errorf("the older protocol answers %s (%v)", answer, err)
	}
}

// word is one way to send something to a channel, and what of it arrives.
type word struct {
	channel string
	send    func(t *testing.T, from *node, nonce string) int
}

func (s *suite) words() []word {
	publish := func(channel string, data map[string]string) func(*testing.T, *node, string) int {
		return func(t *testing.T, from *node, nonce string) int {
			data["sessionId"] = nonce
			return from.call(t, "POST", "/api/live/publish", map[string]any{"channel": channel, "data": data}, nil)
		}
	}
	out := []word{
		{"grafana/dashboard/uid/d1", publish("grafana/dashboard/uid/d1", map[string]string{"uid": "d1", "action": "editing-started"})},
		{"stream/conformance/m", func(t *testing.T, from *node, nonce string) int {
			return from.push(t, "conformance", fmt.Sprintf("m v=%q", nonce))
		}},
	}
	if !s.rel.atLeast(12, 4) {
		out = append(out, word{"grafana/broadcast/conformance", publish("grafana/broadcast/conformance", map[string]string{})})
	}
	return out
}

// push sends lines to a stream.
func (n *node) push(t *testing.T, stream, lines string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, n.url("/api/live/push/"+stream), strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "adminpw")
	res, err := client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// organisation is what stands before a channel.
func (s *suite) organisation() string {
	if s.rel.atLeast(12, 0) {
		return "default/"
	}
	return "1/"
}

func (s *suite) liveMessage(t *testing.T) {
	ws := s.nodes[1].socket(t)
	for _, w := range s.words() {
		if answer := ws.command(t, "subscribe", `{"channel":"`+s.organisation()+w.channel+`"}`); strings.Contains(answer, `"error"`) {
			t.Errorf("subscribing to %s answers %s", w.channel, answer)
			continue
		}
		nonce := fmt.Sprint(time.Now().UnixNano() % 1e9)
		if got := w.send(t, s.nodes[0], nonce); got != http.StatusOK {
			t.Errorf("sending to %s is %d", w.channel, got)
			continue
		}
		ws.until(t, "message on "+w.channel, nonce)
	}
}

// liveRefusals are channels that this version does not have.
func (s *suite) liveRefusals(t *testing.T) {
	ws := s.nodes[0].socket(t)
	refused := []string{s.organisation() + "grafana/nothing/x", s.organisation() + "grafana/dashboard/uid/absent", "default/grafana/broadcast/x"}
	if s.rel.atLeast(12, 4) {
		refused = append(refused, "1/grafana/dashboard/uid/d1")
	}
	for _, channel := range refused {
		if !s.rel.atLeast(12, 4) && channel == "default/grafana/broadcast/x" && s.organisation() == "default/" {
			continue
		}
		if answer := ws.command(t, "subscribe", `{"channel":"`+channel+`"}`); !strings.Contains(answer, `"error"`) {
			t.Errorf("subscribing to %s answers %s", channel, answer)
		}
	}
}
