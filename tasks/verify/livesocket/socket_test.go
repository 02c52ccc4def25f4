package livesocket

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// server answers every command with what answer says, after what it sends unasked.
func server(t *testing.T, unasked string, answer func(command string) string) string {
	t.Helper()
	upgrader := websocket.Upgrader{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for {
			_, m, err := c.ReadMessage()
			if err != nil {
				return
			}
			if unasked != "" {
				_ = c.WriteMessage(websocket.TextMessage, []byte(unasked))
			}
			if a := answer(strings.TrimSpace(string(m))); a != "" {
				_ = c.WriteMessage(websocket.TextMessage, []byte(a))
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// What real servers said: Centrifuge 0.19 (Grafana 8.5) and 0.30 (10.3).
func TestBothProtocolsAreSpoken(t *testing.T) {
	for name, c := range map[string]struct {
		connected, subscribe, subscribed, published string
		older                                       bool
	}{
		"the older": {`{"id":1,"result":{"client":"a","version":"b"}}`, `{"id":2,"method":1,"params":{"channel":"1/x"}}`, `{"id":2,"result":{}}`,
			`{"result":{"channel":"1/x","data":{"data":{"word":"w"}}}}`, true},
		"the newer": {`{"id":1,"connect":{"client":"a","ping":25,"pong":true}}`, `{"id":2,"subscribe":{"channel":"1/x"}}`, `{"id":2,"subscribe":{}}`,
			`{"push":{"channel":"1/x","pub":{"data":{"word":"w"}}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			pong := make(chan struct{}, 1)
			s, err := Open(t.Context(), server(t, "", func(command string) string {
				switch command {
				case `{"id":1,"connect":{}}`:
					return c.connected
				case c.subscribe:
					// Several messages in a frame, a ping and a push of another kind among them.
					return c.subscribed + "\n" + `{"result":{"type":1,"channel":"1/x","data":{}}}` + "\n" + c.published + "\n{}"
				case "{}":
					pong <- struct{}{}
				default:
					t.Errorf("got the command %s", command)
				}
				return ""
			}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Older() != c.older {
				t.Errorf("older: %v", s.Older())
			}
			if err := s.Subscribe(t.Context(), "1/x"); err != nil {
				t.Fatal(err)
			}
			if got := string(<-s.Messages()); got != `{"word":"w"}` {
				t.Errorf("got %s", got)
			}
			<-pong
		})
	}
}

func TestARefusalIsNoEndOfTheConnection(t *testing.T) {
	s, err := Open(t.Context(), server(t, "", func(command string) string {
		var c struct{ ID int }
		_ = json.Unmarshal([]byte(command), &c)
		switch c.ID {
		case 1:
			return `{"id":1,"connect":{}}`
		case 2:
			return `{"id":2,"error":{"code":100,"message":"internal server error"}}`
		}
		return `{"id":3,"subscribe":{}}`
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var refused *RefusedError
	if err := s.Subscribe(t.Context(), "1/x"); !errors.As(err, &refused) || refused.Error() != "100: internal server error" {
		t.Errorf("got %v", err)
	}
	if err := s.Subscribe(t.Context(), "default/x"); err != nil {
		t.Errorf("got %v", err)
	}
}

// Whatever a server sends, opening ends with an error, or works; nothing panics, and
// nothing waits for longer than its context.
func TestAHostileServerEndsTheConnectionOnly(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":              "<html>",
		"null":                 "null",
		"an answer of nothing": `{"id":1}`,
		"a null answer":        `{"id":1,"connect":null}`,
		"another's answer":     `{"id":77,"connect":{}}`,
		"a list":               "[]",
		"empty pushes":         `{"push":{}}` + "\n" + `{"push":{"pub":{}}}` + "\n" + `{"push":null}` + "\n" + `{"result":{"data":null}}` + "\n" + `{"result":7}`,
		"disconnect":           `{"push":{"disconnect":{"code":3000,"reason":"shutdown"}}}`,
		"disconnect, no word":  `{"push":{"disconnect":{}}}`,
		"too much":             `{"push":"` + strings.Repeat("x", maxMessage) + `"}`,
		"many answers":         strings.Repeat(`{"id":9}`+"\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			s, err := Open(ctx, server(t, text, func(string) string { return "" }), Options{})
			if err == nil {
				s.Close()
				t.Error("opened")
			}
		})
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	if _, err := Open(t.Context(), "ws"+strings.TrimPrefix(plain.URL, "http"), Options{}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no WebSocket: %v", err)
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"push":{"channel":"x","pub":{"data":{}}}}`))
	f.Add([]byte(`{"result":{"channel":"x","data":{"data":1}}}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var r reply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		_, _, _ = r.publication(), r.disconnected(), r.ping()
	})
}
