package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// Node is Grafana on one host, as it is reached through the host's SSH connection.
type Node struct {
	Host   string
	Base   string // "http://127.0.0.1:3000", with the sub path if it is served from one
	Client *http.Client
}

// annotation is the body of POST /api/annotations. Without a dashboard it is one of the
// organisation, which every dashboard can show by its tags; with timeEnd a region
// (Grafana 6.5 to 13: docs/sources/developers/http_api/annotations.md).
type annotation struct {
	Time    int64    `json:"time"`    // ms since the epoch
	TimeEnd int64    `json:"timeEnd"` // ms since the epoch
	Tags    []string `json:"tags"`
	Text    string   `json:"text"`
}

// annotate marks the run, from its start to its end, on the cluster that it deployed:
// on the first node that takes it, since all share one database.
func (t *Teller) annotate(ctx context.Context, m Message) error {
	if !t.Admin.Password.IsSet() {
		return errors.New("grafana.admin.password is not in the inventory, and an annotation needs a login")
	}
	if len(t.Nodes) == 0 {
		return errors.New("no host is connected")
	}
	body, err := json.Marshal(mark(m))
	if err != nil {
		return err
	}
	var all []error
	for _, n := range t.Nodes {
		err := t.annotateAt(ctx, n, body)
		if err == nil {
			return nil
		}
		all = append(all, fmt.Errorf("%s: %w", n.Host, err))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(all...)
}

func (t *Teller) annotateAt(ctx context.Context, n Node, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Base+"/api/annotations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(t.Admin.User, t.Admin.Password.Reveal())
	resp, err := n.Client.Do(req)
	if err != nil {
		return bare(err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		_ = resp.Body.Close()
		return errors.New("status 401: the login of grafana.admin is refused (is [auth.basic] enabled?)")
	}
	return refusal(resp)
}

func mark(m Message) annotation {
	a := annotation{Time: m.Start.UnixMilli(), TimeEnd: m.End.UnixMilli(), Tags: []string{"ghadeploy", m.Version, m.Command}}
	if m.Event == Failure {
		a.Tags = append(a.Tags, "failed")
	}
	// Grafana shows the text as HTML.
	lines := append([]string{m.headline(), m.who()}, m.lines()...)
	a.Text = strings.ReplaceAll(html.EscapeString(strings.Join(lines, "\n")), "\n", "<br>")
	return a
}
